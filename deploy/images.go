package deploy

import (
	"encoding/json"
	"fmt"
)

// The file in which whatever Quoit runs finds the images of the release.
const (
	ImagesDir  = "/run/quoit"
	ImagesName = "release.json"
	ImagesFile = ImagesDir + "/" + ImagesName
)

// FormatImages writes that file: references by digest, by name.
func FormatImages(references map[string]string) ([]byte, error) {
	text, err := json.MarshalIndent(references, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the release's images: %w", err)
	}
	return append(text, '\n'), nil
}

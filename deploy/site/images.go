package site

import (
	"encoding/json"
	"fmt"
)

// The file in which whatever Quoit runs finds the images of the release.
const (
	ReleaseDir  = "/run/quoit"
	ReleaseName = "release.json"
	ReleaseFile = ReleaseDir + "/" + ReleaseName
)

// FormatImages writes that file: references by digest, by name.
func FormatImages(references map[string]string) ([]byte, error) {
	text, err := json.MarshalIndent(references, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the release's images: %w", err)
	}
	return append(text, '\n'), nil
}

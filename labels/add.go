package labels

import (
	"bytes"
	"encoding/json"
)

// Add returns an image's config with more labels, and everything else in it as it was. With
// none it returns the same bytes.
func Add(config []byte, more map[string]string) ([]byte, error) {
	if len(more) == 0 {
		return config, nil
	}
	image, err := object(config)
	if err != nil {
		return nil, err
	}
	settings, err := object(image["config"])
	if err != nil {
		return nil, err
	}
	all, err := object(settings["Labels"])
	if err != nil {
		return nil, err
	}
	for key, value := range more {
		if all[key], err = json.Marshal(value); err != nil {
			return nil, err
		}
	}
	if settings["Labels"], err = json.Marshal(all); err != nil {
		return nil, err
	}
	if image["config"], err = json.Marshal(settings); err != nil {
		return nil, err
	}
	return json.Marshal(image)
}

// object are the members of a JSON object, which may be missing.
func object(data []byte) (map[string]json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return members, nil
	}
	err := json.Unmarshal(data, &members)
	return members, err
}

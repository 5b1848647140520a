package dial

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	dockerclient "github.com/moby/moby/client"
)

// Engine is the Docker Engine of docker's current context, which has answered.
type Engine struct {
	name string
	api  *dockerclient.Client
}

// FindEngine finds the engine that docker would use, and waits until it has answered. The
// error says which one that is.
func FindEngine(ctx context.Context) (*Engine, error) {
	e := currentEngine()
	name := "the Docker Engine"
	if e.context != byDefault {
		name += " of the docker context " + e.context
	}
	endpoint, err := e.endpoint()
	if err != nil {
		return nil, fmt.Errorf("%s cannot be used: %w", name, err)
	}
	name += " at " + endpoint.Host
	api, err := apiOf(endpoint)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be used: %w", name, err)
	}
	limited, cancel := context.WithTimeout(ctx, promptly)
	defer cancel()
	if _, err := api.Ping(limited, dockerclient.PingOptions{}); err != nil {
		api.Close()
		return nil, fmt.Errorf("%s does not answer: start it, or choose another one with docker context use or DOCKER_HOST: %w", name, err)
	}
	return &Engine{name, api}, nil
}

// Close ends the connection.
func (e *Engine) Close() error { return e.api.Close() }

// Load takes the images of an archive into the engine, as docker load does.
func (e *Engine) Load(ctx context.Context, archive io.Reader) error {
	said, err := e.api.ImageLoad(ctx, archive, dockerclient.ImageLoadWithQuiet(true))
	if err != nil {
		return fmt.Errorf("loading into %s: %w", e.name, err)
	}
	defer said.Close()
	if err := failure(said); err != nil {
		return fmt.Errorf("loading into %s: %w", e.name, err)
	}
	return nil
}

// failure is the error among an engine's messages, which begin before it knows of any.
func failure(said io.Reader) error {
	for messages := json.NewDecoder(io.LimitReader(said, most)); ; {
		var message struct {
			Error       string
			ErrorDetail struct{ Message string }
		}
		err := messages.Decode(&message)
		if text := cmp.Or(message.ErrorDetail.Message, message.Error); text != "" {
			return errors.New(text)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading its answer: %w", err)
		}
	}
}

package frontend

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/gateway/client"

	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/versioning"
)

// Keys of a result's metadata that clients see in the exporter's response.
const (
	// MetaPlan is the plan, base64 of its JSON.
	MetaPlan = "frontend.quoit.plan"
	// metaMessage is printed by buildx after a build.
	metaMessage = "frontend.result.inlinemessage"
)

// describe adds what people and tools read about the build to its result.
func (p *planner) describe(res *client.Result) error {
	data, err := json.Marshal(p.plan)
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	res.AddMeta(MetaPlan, []byte(base64.StdEncoding.EncodeToString(data)))
	if !p.opts.Export {
		res.AddMeta(metaMessage, []byte(message(p.plan)))
	}
	return nil
}

// message is what a stock client prints after a build.
func message(plan versioning.Plan) string {
	text := show.Block(strings.TrimSuffix(plan.String(), "\n"))
	if plan.Ring == versioning.None || len(plan.PublishOrder()) == 0 {
		return text + "\n"
	}
	return text + "\nVersions are a forecast until `quoit build --push` publishes them.\n"
}

package frontend

import (
	"strings"

	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/versioning"
)

// message is what a stock client prints after a build.
func message(plan versioning.Plan) string {
	text := show.Block(strings.TrimSuffix(plan.String(), "\n"))
	if plan.Ring == versioning.None || len(plan.PublishOrder()) == 0 {
		return text + "\n"
	}
	return text + "\nVersions are a forecast until `quoit build --push` publishes them.\n"
}

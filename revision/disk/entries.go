package disk

import (
	"fmt"
	"os"

	"github.com/quoitbuild/quoit/revision"
)

// Entries lists what images read of the project's folder on this machine; see
// [revision.Entries].
func Entries(dir string, images []revision.ImageInputs) (map[string][]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the project: %w", err)
	}
	defer root.Close()
	return revision.Entries(&tree{root: root}, images)
}

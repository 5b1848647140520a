package deploy

import "fmt"

// DowngradeError says that a deploy would have to go back to an ancestor.
type DowngradeError struct {
	Site         string
	Runs, Target Release
}

// Error names both releases.
func (e *DowngradeError) Error() string {
	return fmt.Sprintf("site %s runs %s, which descends from %s: going back to that is a downgrade, which was not allowed", e.Site, e.Runs.Version, e.Target.Version)
}

// UnrelatedError says that neither of two releases descends from the other.
type UnrelatedError struct {
	Site         string
	Runs, Target Release
}

// Error names both releases, and how to go on.
func (e *UnrelatedError) Error() string {
	return fmt.Sprintf("site %s runs %s, which is unrelated to %s, so nothing can undo what it changed; to deploy anyway, use --discard %[1]s",
		e.Site, e.Runs.Version, e.Target.Version)
}

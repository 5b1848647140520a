package report

// The contestants' names, as tables and plots have them.
const (
	NameQuoit      = "quoit"
	NamePlan       = "quoit plan"
	NameStart      = "quoit --version"
	NameFresh      = "quoit, nothing kept"
	NameAfter      = "quoit, right after a build"
	NameBeside     = "quoit, beside a build"
	NameImage      = "quoit, frontend image"
	NameBake       = "bake"
	NameBakePlain  = "bake without provenance"
	NameBakeDry    = "bake without output"
	NameBakeAll    = "bake of all"
	NameDockerfile = "docker/dockerfile"
	NameEmpty      = "empty solve"
	NameSHA256Sum  = "sha256sum"
	NameHash       = "quoit hash"
	NameGitStatus  = "git status"
)

// Kinds of work, as rows have them.
const (
	WorkNoop    = "no-op"
	WorkBusy    = "no-op, busy builder"
	WorkFiles   = "no-op, other files"
	WorkLatency = "no-op, latency"
	WorkBase    = "base changed"
	WorkFirst   = "first leaf after its base"
	WorkLeaf    = "leaf changed"
	WorkCold    = "cold"
	WorkOne     = "one image, unchanged"
	WorkOneEdit = "one image, changed"
	WorkHash    = "hashing"
	WorkHuge    = "huge image, unchanged"
	WorkHugeOne = "huge image, one file changed"
	WorkLook    = "huge image, looked at"
	WorkHugeAll = "huge image, cold"
)

package report

// The contestants' names, as tables and plots have them.
const (
	NameQuoit      = "quoit"
	NamePlan       = "quoit plan"
	NameImage      = "quoit, frontend image"
	NameBake       = "bake"
	NameBakePlain  = "bake without provenance"
	NameBakeDry    = "bake without output"
	NameDockerfile = "docker/dockerfile"
	NameEmpty      = "empty solve"
	NameSHA256Sum  = "sha256sum"
	NameHash       = "quoit hash"
)

// Kinds of work, as rows have them.
const (
	WorkNoop    = "no-op"
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
	WorkHugeAll = "huge image, cold"
)

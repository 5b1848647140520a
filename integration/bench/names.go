package main

// The contestants' names, as tables and plots have them.
const (
	nameQuoit      = "quoit"
	namePlan       = "quoit plan"
	nameImage      = "quoit, frontend image"
	nameBake       = "bake"
	nameBakePlain  = "bake without provenance"
	nameBakeDry    = "bake without output"
	nameDockerfile = "docker/dockerfile"
	nameEmpty      = "empty solve"
	nameSHA256Sum  = "sha256sum"
	nameHash       = "quoit hash"
)

// Kinds of work, as rows have them.
const (
	workNoop    = "no-op"
	workFiles   = "no-op, other files"
	workLatency = "no-op, latency"
	workBase    = "base changed"
	workFirst   = "first leaf after its base"
	workLeaf    = "leaf changed"
	workCold    = "cold"
	workOne     = "one image, unchanged"
	workOneEdit = "one image, changed"
	workHash    = "hashing"
	workHuge    = "huge image, unchanged"
	workHugeOne = "huge image, one file changed"
	workHugeAll = "huge image, cold"
)

package revision

import (
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/overlay"
)

// Scheme is the number of the way in which revisions are computed. A change of
// any byte that goes into a revision raises it.
const Scheme = 2

// FirstScheme is the number of the first way, which releases of older versions have. It
// covers the whole container file, of permissions no more than whether a file's owner may
// execute it, and .git of the project's root like any other folder.
const FirstScheme = 1

// StepCommand is the first argument of a program that answers a Request, in a step of a
// build; the paths of project, request and answer follow.
const StepCommand = "hash"

// Request is what the hash step is asked: for each image, what of the project's
// tree it reads. It travels as JSON.
type Request struct {
	Scheme int           `json:"scheme"` // Scheme or FirstScheme
	Images []ImageInputs `json:"images"`
	// Beyond asks for [Response.Beyond].
	Beyond bool `json:"beyond,omitempty"`
	// List names the images for which [Response.Lists] is wanted.
	List []string `json:"list,omitempty"`
}

// ImageInputs is one image's part of a Request.
type ImageInputs struct {
	// Name is the image's, or IMAGE:CONTEXT for a named context of it that is a folder.
	Name string `json:"name"`
	// Project is where in the tree the project is, "" for the tree itself.
	Project string `json:"project,omitempty"`
	// Context is the folder below the project's root, "." for the root.
	Context string `json:"context"`
	// Root says that Context has what is in the project's root, wherever that is.
	Root bool `json:"root,omitempty"`
	// Ignore holds the patterns of the image's ignore file, relative to Context.
	Ignore []string `json:"ignore,omitempty"`
	Reads  []Read   `json:"reads"`
	// Overlays says that the places where these files name images are wanted.
	Overlays bool `json:"overlays,omitempty"`
}

// Of returns the image, and its named context, "" for its own.
func (in ImageInputs) Of() (image, context string) {
	image, context, _ = strings.Cut(in.Name, ":")
	return image, context
}

// Response is the answer to a Request: a digest per image of all that it reads.
type Response struct {
	Scheme int                      `json:"scheme"`
	Trees  map[string]digest.Digest `json:"trees"`
	// Links names the images whose context is not a folder of its own but is
	// reached through a link, with where the link leads in the project.
	Links map[string]string `json:"links,omitempty"`
	// Git has by image the indexes of its Reads that take something from .git of the
	// project's root, which does not count; none by FirstScheme.
	Git map[string][]int `json:"git,omitempty"`
	// Named are the places where overlays name images, with paths in the project.
	Named []overlay.Use `json:"named,omitempty"`
	// Beyond is by image what reads need of its context besides [Wanted]: where links
	// lead. If some of that is not in the tree because it was not sent, the answer may
	// be another once it is.
	Beyond map[string]Paths `json:"beyond,omitempty"`
	// Missing are, by image, the paths in its context at which there is nothing, although
	// its build fails without.
	Missing map[string][]string `json:"missing,omitempty"`
	// Problems says by image why its tree cannot be read: a link that leads to
	// itself, for instance. Such an image has no entry in Trees.
	Problems map[string]string `json:"problems,omitempty"`
	// Lists has by image what it reads; see [Response.List].
	Lists map[string][]Entry `json:"lists,omitempty"`

	trees map[string]imageTree // in the process that has answered
}

// EmptyTree is the digest of an image that reads nothing of its context, by a scheme.
func EmptyTree(scheme int) digest.Digest { return imageTree{}.sum(scheme) }

// Inputs is all that a revision covers of one image.
type Inputs struct {
	// Scheme is Scheme or FirstScheme.
	Scheme int
	// ContainerFile is what counts of the file; by FirstScheme its bytes.
	ContainerFile []byte
	// Target is the stage that is built, "" for the last.
	Target string
	// Args are the build arguments that reachable stages declare and that were
	// given a value by manifest or command line.
	Args map[string]string
	// Tree is the digest of what the image reads of its context, by the same scheme.
	Tree digest.Digest
	// Contexts say by name what the named contexts are that it uses: an image, or the
	// digest of what it reads of a folder.
	Contexts map[string]string
}

func digestOf(data []byte) string { return digest.FromBytes(data).String() }

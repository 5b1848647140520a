package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/registry/layout"
	"github.com/quoitbuild/quoit/store/mirror"
	"github.com/quoitbuild/quoit/versioning"
)

type copyFlags struct {
	project  projectFlags
	from     string
	dryRun   bool
	output   string
	releases []string
	to       string
}

func newCopyCmd() *cobra.Command {
	var f copyFlags
	cmd := &cobra.Command{
		Use:   "copy RING|RELEASE… TO",
		Short: "Copy releases to another registry or a folder",
		Long: `Copy copies the releases of rings, or of versions of the root image, with all their
images, externals, attestations and signatures, and the log, to TO: a registry as in
the manifest, or an OCI image layout, a folder written as oci:PATH or beginning with
./ or /. Every digest stays the same. Only what TO lacks is sent, so the next release
sends little, and a copy that was stopped continues when you run the command again.

TO becomes a mirror of the project: quoit verify, history and status work there, and
nobody can publish to it. A version that has other contents there is never overwritten.`,
		Example: `  quoit copy users registry.example.net/mirror
  quoit copy developers 1.4.2 ./media
  quoit copy --project registry.example.com/acme/shop users ./media
  quoit copy --from ./media --project acme/shop users registry.example.net`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("name one or more rings or releases, and where to copy them\nsee: %s --help", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.releases, f.to = args[:len(args)-1], args[len(args)-1]
			return f.run(cmd)
		},
	}
	f.project.register(cmd.Flags())
	cmd.Flags().Lookup("project").Usage += "; with a REGISTRY or --from, no manifest is read"
	outputFlag(cmd, &f.output)
	cmd.Flags().StringVar(&f.from, "from", "", "copy from this registry or folder instead of the manifest's registry")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be copied, and write nothing")
	return cmd
}

func (f *copyFlags) run(cmd *cobra.Command) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	project, source, err := f.source(cmd.Flags().Changed("project"))
	if err != nil {
		return err
	}
	from, err := openStore(cmd, source, project)
	if err != nil {
		return err
	}
	to, err := openStore(cmd, f.to, project)
	if err != nil {
		return err
	}
	meter := meter{out: cmd.ErrOrStderr(), next: time.Now().Add(time.Second)}
	copied, err := mirror.Copy(cmd.Context(), from, to, mirror.Request{Releases: f.releases, DryRun: f.dryRun, Progress: meter.show})
	if err != nil {
		return err
	}
	if f.output == "json" {
		return printJSON(cmd.OutOrStdout(), copyResult{1, project, copied})
	}
	return printText(cmd.OutOrStdout(), copyText(project, copied))
}

// source says what is copied from where. Without a manifest both have to be named.
func (f *copyFlags) source(named bool) (project, source string, err error) {
	if named {
		return f.place()
	}
	m, err := f.project.load()
	if err != nil {
		return "", "", err
	}
	for _, name := range f.releases {
		if err := checkRelease(m, name); err != nil {
			return "", "", err
		}
	}
	if f.from == "" {
		return m.Project, m.Registry, nil
	}
	return m.Project, f.from, nil
}

// place is what --project and the flags beside it say by themselves.
func (f *copyFlags) place() (project, source string, err error) {
	source, project, err = splitProject(f.project.project, cmp.Or(f.from, f.project.registry))
	if err == nil && source == "" {
		err = usagef("--project %s does not say where the project is: write REGISTRY/%[1]s, or add --from", project)
	}
	return project, source, err
}

func checkRelease(m *manifest.Manifest, name string) error {
	if _, err := versioning.Parse(name); err == nil || slices.Contains(m.RingOrder(), name) {
		return nil
	}
	return usagef("%q is neither a version nor a ring: choose a version or one of %s", name, strings.Join(m.RingOrder(), ", "))
}

// openStore opens a registry or a layout.
func openStore(cmd *cobra.Command, place, project string) (registry.Namespace, error) {
	path, folder := strings.CutPrefix(place, "oci:")
	if folder || strings.HasPrefix(place, "/") || strings.HasPrefix(place, "./") || strings.HasPrefix(place, "../") {
		return layout.Open(path, project)
	}
	return registry.Open(place, project, registryOptions(cmd))
}

// meter shows a long copy's progress, a line every few seconds.
type meter struct {
	out  io.Writer
	next time.Time
}

func (m *meter) show(done, total int64) {
	if now := time.Now(); now.After(m.next) {
		m.next = now.Add(5 * time.Second)
		fmt.Fprintf(m.out, "copied %s of %s\n", size(done), size(total))
	}
}

// size is a number of bytes for people.
func size(bytes int64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes)/1000, 0
	for units := "kMGTPE"; value >= 999.95 && unit < len(units)-1; unit++ {
		value /= 1000
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGTPE"[unit])
}

// copyResult is the JSON of quoit copy.
type copyResult struct {
	Schema  int    `json:"schema"`
	Project string `json:"project"`
	mirror.Copied
}

func copyText(project string, c mirror.Copied) string {
	var b strings.Builder
	verb := "copied"
	if c.DryRun {
		verb = "would copy"
	}
	for _, release := range c.Releases {
		named := release.Version
		if release.Name != named {
			named += " (" + release.Name + ")"
		}
		fmt.Fprintf(&b, "%s %s, %d images: to %s\n", project, named, release.Images, c.To)
	}
	fmt.Fprintf(&b, "%s %d blobs, %d manifests, %s; %d blobs were in another repository there; %d tags, %d records\n",
		verb, c.Copied.Blobs, c.Copied.Manifests, size(c.Copied.Bytes), c.Mounted.Blobs, len(c.Written), c.Records)
	if c.Gap > 0 {
		fmt.Fprintf(&b, "warning: record %d of the log is gone at %s: it and those before it were not copied; `quoit repair --from COPY` takes it from another copy\n", c.Gap, c.From)
	}
	for _, tag := range c.Kept {
		fmt.Fprintf(&b, "warning: %s has other signatures there, and was left as it is\n", tag)
	}
	return b.String()
}

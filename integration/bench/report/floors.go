package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/quoitbuild/quoit/integration/bench/project"
)

// floors lists why goals are not reached.
func floors(r *Report) string {
	var out strings.Builder
	for _, g := range goals() {
		if v := g.judge(r); v.measured && !v.open && !v.met && g.floor != nil {
			fmt.Fprintf(&out, "- **%s, %s:** %s\n", g.work, g.want, g.floor(r))
		}
	}
	if out.Len() == 0 {
		return ""
	}
	return "Why not:\n\n" + out.String() + "\n"
}

// middle is the median of a contestant's seconds.
func (s *Series) middle() float64 {
	return spreadOf(slices.Collect(maps.Values(s.seconds()))).Median
}

// phase is the median of one phase of a contestant.
func (s *Series) phase(name string) float64 {
	return spreadOf(slices.Collect(maps.Values(s.values(func(x Sample) float64 { return x.Phases[name] })))).Median
}

// noopFloor is what the transfers to BuildKit cost that a client answers file by file.
func noopFloor(row where) func(*Report) string {
	return func(r *Report) string {
		found := row(r)
		image, bake, dockerfile := found.series(NameImage), found.series(NameBake).middle(), found.series(NameDockerfile).middle()
		control, context := image.phase("control"), image.phase("context")
		return fmt.Sprintf("docker/dockerfile with one image takes %s, and reads one container file. Here the client sends 100 container files anew, "+
			"since BuildKit takes a file of the same size and time for the same, and they decide (%s), and lists 2,000 files to it (%s); "+
			"with nothing besides it would be %s of bake with push", number(dockerfile, " s"), number(control, " s"), number(context, " s"),
			number(bake/(dockerfile+control+context), "×"))
	}
}

// freshFloor is what is asked once where nothing is known.
func freshFloor(*Report) string {
	return "of a registry of which nothing is known one request asks whether it speaks https and wants tokens; where it does, the first request without " +
		"that would be answered with 401. Then there are three for the newest record (its manifest, its config, that there is none after it), three for the " +
		"root image that it names (index, manifest, config), and two for the one external (index or manifest, config), which is one more if it has an index"
}

// besideFloor is what the builder leaves of the processors.
func besideFloor(r *Report) string {
	s := r.find(WorkBusy, project.Star, 100, -1).series(NameQuoit)
	return fmt.Sprintf("quoit asks no builder, but the %d processors are the build's; alone it uses %s of them in %s",
		r.Machine.CPUs, number(spreadOf(slices.Collect(maps.Values(s.values(func(x Sample) float64 { return x.CPU })))).Median, " s"), number(s.middle(), " s"))
}

func planFloor(*Report) string {
	return "both do the same, request for request; whichever of the two is measured after a bake comes out slower"
}

// leafFloor is what a publish does besides building one image.
func leafFloor(r *Report) string {
	row := r.find(WorkLeaf, project.Star, 100, -1)
	s, bake := row.series(NameQuoit), row.series(NameBake).middle()
	besides := s.phase("context") + s.phase("hash") + s.phase("tags")
	return fmt.Sprintf("bake builds what it is told to, without knowing whether anything else has changed. Quoit looks at the files of all images (%s), "+
		"hashes them in a container (%s), and writes versions, a record and the ring through the log (%s); it also builds and pushes the root image. "+
		"Without the first three it would be %s of bake", number(s.phase("context"), " s"), number(s.phase("hash"), " s"), number(s.phase("tags"), " s"),
		number((s.middle()-besides)/bake, "×"))
}

// baseFloor is the work that is BuildKit's, whoever asks for it.
func baseFloor(r *Report) string {
	row := r.find(WorkBase, project.Star, 100, -1)
	s := row.series(NameQuoit)
	bake := row.series(NameBake)
	return fmt.Sprintf("both run the same 100 containers and push the same 100 images with the same BuildKit: %s of Quoit's %s are that (solve and export), "+
		"and nothing around them makes it less than %s of bake. In one build BuildKit pushes nothing before all images have their layers and manifests, "+
		"and for each image looks through the layers of all; bake's hundred builds do all this beside each other, for %s of buildkitd's processor time",
		number(s.phase("solve")+s.phase("export"), " s"), number(s.middle(), " s"),
		number((s.phase("solve")+s.phase("export"))/bake.middle(), "×"), number(bake.daemon()/s.daemon(), "×"))
}

// daemon is the median of buildkitd's processor seconds.
func (s *Series) daemon() float64 {
	return spreadOf(slices.Collect(maps.Values(s.values(func(x Sample) float64 { return x.DaemonCPU })))).Median
}

// hugeFloor is what hashing costs at least.
func hugeFloor(work string) func(*Report) string {
	return func(r *Report) string {
		row := r.find(work, project.Single, 1, -1)
		s, container := row.series(NameImage), r.find(WorkOneEdit, project.Single, 1, -1).series(NameImage).phase("hash")
		return fmt.Sprintf("the context takes %s, docker/dockerfile's %s; then one container reads all files (%s), since BuildKit knows the step only by the contents of all of them. "+
			"Split by folder it would be a container for each, at %s", number(s.phase("context"), " s"), number(row.series(NameDockerfile).phase("context"), " s"),
			number(s.phase("hash"), " s"), number(container, " s"))
	}
}

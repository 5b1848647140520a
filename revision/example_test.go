package revision_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/revision/disk"
)

func Example() {
	project, err := os.MkdirTemp("", "project")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(project)

	// What an image reads comes from its compiled graph, see Reads: here COPY main.go.
	request := revision.Request{Scheme: revision.Scheme, Images: []revision.ImageInputs{
		{Name: "api", Context: ".", Reads: []revision.Read{{Path: "/main.go"}}},
	}}
	last := ""
	for _, file := range []struct{ name, text string }{
		{"main.go", "package main"}, {"README.md", "read me"}, {"main.go", "package main // changed"},
	} {
		if err := os.WriteFile(filepath.Join(project, file.name), []byte(file.text), 0o644); err != nil {
			fmt.Println(err)
			return
		}
		response, err := disk.Answer(context.Background(), project, request, disk.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		sum := revision.Sum(revision.Inputs{ContainerFile: []byte("FROM scratch\nCOPY main.go /\n"), Tree: response.Trees["api"]})
		fmt.Printf("%s was written: another revision: %t\n", file.name, sum != last)
		last = sum
	}
	// Output:
	// main.go was written: another revision: true
	// README.md was written: another revision: false
	// main.go was written: another revision: true
}

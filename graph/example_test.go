package graph_test

import (
	"fmt"

	"github.com/quoitbuild/quoit/graph"
)

func ExampleNew() {
	g, err := graph.New([]graph.Vertex{
		{Name: "deploy", Needs: []string{"api", "web"}},
		{Name: "web", Needs: []string{"base"}},
		{Name: "api", Needs: []string{"base"}},
		{Name: "base"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Order())
	fmt.Println(g.Dependents("base"))

	_, err = graph.New([]graph.Vertex{{Name: "api", Needs: []string{"web"}}, {Name: "web", Needs: []string{"api"}}})
	fmt.Println(err)
	// Output:
	// [base api web deploy]
	// [api web]
	// images need each other in a circle: api → web → api
}

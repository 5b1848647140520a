module github.com/quoitbuild/quoit/integration/tools/node

go 1.26.8

tool (
	github.com/quoitbuild/quoit/integration/tools/node
	github.com/quoitbuild/quoit/integration/tools/node/pause
)

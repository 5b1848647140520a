package main

import (
	"cmp"
	"strings"
)

// part is what `make part-NAME` runs.
type part struct {
	name    string
	about   string
	minutes float64 // with two cores that do nothing else, and all tools in the cache
	runs    []run
}

// run is one call of `go test`.
type run struct {
	packages string
	tests    []string // all of the packages if there are none
	quick    bool     // without the tag stack: what needs nothing but Go
}

func quick(packages string) run { return run{packages: packages, quick: true} }

func all(packages string) run { return run{packages: packages} }

func some(pkg, tests string) run { return run{packages: pkg, tests: strings.Fields(tests)} }

// stories are the one of each kind that `make test` runs on the real programs, beside
// lint and the quick tests. Each is in one of the parts too.
var stories = part{name: "stories", about: "one of each kind, on the real BuildKit, registry and cluster", minutes: 3.5, runs: []run{
	some("./store", "TestTwoPublishersRacingOnARealRegistry"),
	some("./integration", `
		TestAGateThatFailsMovesNothing
		TestAGateThatPassesIsInTheRecord
		TestCopy
		TestCrashInThePush
		TestEveryExampleIsTested
		TestEveryFrontDoorGivesTheSamePlan
		TestFaultsThatPass
		TestFromShiftToUnshift
		TestManyImages
		TestShopOnASite
		TestVersionsFollowTheRings
		TestWatch`),
}}

// parts are all tests, those that cost least first: `make test-full` runs every one
// of them, CI as many as its time allows.
var parts = []part{
	{name: "kit", about: "the stack, the cluster and the engines that the other parts run on", minutes: 1, runs: []run{
		all("./internal/testkit/..."),
	}},
	{name: "builders", about: "the ways to a builder: transports, certificates, buildx", minutes: 1.5, runs: []run{
		some("./integration", `
			TestABuildKitBehindTLS
			TestABuildKitOfThisMachine
			TestABuilderOfBuildx
			TestABuilderInAPod
			TestTransportsToABuilder
			TestWhatNeedsNoBuilderLooksForNone`),
	}},
	{name: "store", about: "writers and oddities on a real registry", minutes: 1.5, runs: []run{
		some("./store", `
			TestManyWriters
			TestOddRegistriesOnARealRegistry
			TestShiftOfManyImages
			TestTwoPublishersOnAnOddRealRegistry
			TestTwoPublishersRacingOnARealRegistry
			TestWriterProcess`),
		some("./registry/conformance", "TestClientOfARealRegistry"),
	}},
	{name: "copy", about: "copy and prune, killed at every write", minutes: 2, runs: []run{
		some("./integration", `
			TestCopy
			TestCopyKilledAtEveryWrite
			TestPrune
			TestPruneKilledAtEveryWrite`),
	}},
	{name: "engine", about: "Docker Engine, both image stores, and other builders: publishing, loading, outputs", minutes: 2, runs: []run{
		some("./integration", `
			TestLoad
			TestMatrix
			TestOutputs
			TestPublishWithADockerEngine
			TestPublishWithOtherBuildKits
			TestTheClassicStoreCannotPublish
			TestTheEngineOfADockerContext`),
	}},
	{name: "rings", about: "versions, rings, gates and the log", minutes: 3, runs: []run{
		some("./integration", `
			TestAGateThatFailsMovesNothing
			TestAGateThatPassesIsInTheRecord
			TestAnOlderCommitTakesNothingBack
			TestExternals
			TestFromShiftToUnshift
			TestGatesAreNeverCached
			TestGatesBelongToTheRelease
			TestGatesHaveANetworkOnRequest
			TestGatesHaveTheirSecrets
			TestGatesOfAShift
			TestHistory
			TestMovedRingSaysWho
			TestNewAndRemovedImages
			TestRingMistakes
			TestRingsThatHoldNoRelease
			TestShiftCost
			TestStatedFirstRelease
			TestTakenVersions
			TestTampering
			TestTheLogOfAProjectThatHadNone
			TestTheReleaseNamesItsCommit
			TestUnshiftOfOneRing
			TestVersionsFollowTheRings
			TestWithoutAnyState`),
	}},
	{name: "doses", about: "the quick tests' full doses: random worlds, histories, crashes", minutes: 4, runs: []run{
		quick("./..."),
	}},
	{name: "build", about: "examples, stock clients, what an image's revision depends on", minutes: 5, runs: []run{
		some("./integration", `
			TestAFileThatBuildKitTakesForTheOldOne
			TestAFileThatMovesDuringTheBuild
			TestAFolderGetsOtherPermissions
			TestAnEditDuringTheBuild
			TestAStageGetsWhatItReads
			TestAStockClientIsToldWhatWasEdited
			TestASuccessfulBuildPrintsNoErrors
			TestAttestations
			TestBadFiles
			TestChecksOfStockClients
			TestContainerFileWithItsOwnFrontend
			TestDemo
			TestEveryExampleIsTested
			TestEveryFlagOfBuildxIsInTheTable
			TestEveryFrontDoorGivesTheSamePlan
			TestEveryInstructionIsAsStockBuildsIt
			TestExamples
			TestFlagsMeanWhatTheyMean
			TestFlagsOfTheClient
			TestImagesAreThoseOfStockBuildKit
			TestManyImages
			TestMoreImagesThanABuildExports
			TestNamedContexts
			TestNamedContextsAreBuiltAsStockBuildsThem
			TestProvenanceIsThatOfTheImage
			TestProvenanceOfChangedFilesSaysSo
			TestNamesThatAreNoText
			TestOnlyWhatIsReadIsSent
			TestOnlyWhatIsReadIsSentByAStockClient
			TestOutputsOfStockClients
			TestPlatformsOfSiblingsAndRings
			TestPublishThroughTheManifestsFrontend
			TestRequestsOfStockClients
			TestRequestsWithoutTheProjectsRegistry
			TestReservedLabelsAreOverruled
			TestRevisionChangesWithWhatIsRead
			TestRevisionsOfRandomTrees
			TestRevisionsThatStayTheSame
			TestSeveralPlatforms
			TestStockClients
			TestStockClientsAndUnchangedImages
			TestStrangeFiles
			TestTheRunnerIsSentOnce
			TestTheRunnersOfTheCommand
			TestTwoBuildersMakeTheSameImages
			TestWarningsNameTheirFiles
			TestWellKnownLayouts
			TestWhatIsAddedFromElsewhereIsFollowed
			TestWhatIsReadIsTheSameHereAndOnBuildKit
			TestWhatIsReadIsTheSameInACloneAndAGitContext`),
	}},
	{name: "faults", about: "a registry that fails, and death at every write", minutes: 5, runs: []run{
		some("./integration", `
			TestA404OfAProxyIsNoEmptyRing
			TestCrashAtAVoteAgainst
			TestCrashAtEveryTag
			TestCrashInThePush
			TestCrashInTheSecondPart
			TestCredentialsStayWhereTheyBelong
			TestDamagedReleases
			TestFaultsThatPass
			TestFirstReleaseInARegistryThatHidesIt
			TestInterrupt
			TestRegistryFaults
			TestRegistryThatIsNotThere
			TestTwoPublishersAtOnce`),
	}},
	{name: "sites", about: "root images and sites on a real cluster", minutes: 8, runs: []run{
		some("./integration", `
			TestADeployThatIsGivenUp
			TestADeployerThatDies
			TestADeployerThatLosesItsLease
			TestAHookOfADeadRunIsGoneBeforeTheNextOne
			TestAChangedValueIsSeenAndASecretOneIsNotShown
			TestADowngradeChangesNoObject
			TestADryRunWritesNothing
			TestAdopt
			TestAnAPIServerThatGoesAway
			TestAnotherSitesObjectsStay
			TestApplyConvergesAfterADeathAtEveryWrite
			TestApplyInstallsUpgradesAndUninstalls
			TestApplyNamesWhatIsNotReady
			TestApplyRecreatesOnlyWhereItIsAskedTo
			TestApplyRefusesBeforeTheFirstWrite
			TestApplySaysWhichRuleIsMissing
			TestApplyStopsAtAHookThatFails
			TestApplyStopsAtFieldsOfOthers
			TestDeploy
			TestDeployThatDoesNotStart
			TestDeployThatFails
			TestDeployThatIsDrained
			TestDeployThatIsEvicted
			TestDeployThatTakesTooLong
			TestDeployersThatDieAtEveryWrite
			TestDeployersThatLoseAWrite
			TestEveryPrintedRightIsNeeded
			TestPodsThatAreKilled
			TestRootImagesThatDieAtEveryWrite
			TestShopMigrationThatFails
			TestShopMigrations
			TestShopMigrationsKilled
			TestShopOnASite
			TestShopUpgradeThatFailsHalfWay
			TestSite
			TestWatch
			TestWhatDecidesReadsTheLog
			TestWatcherInTheCluster
			TestWhatARootImageMayNot
			TestWithScopeClusterKindsAndNamespacesComeFirst`),
	}},
}

func find(name string) (part, bool) {
	for _, p := range append([]part{stories}, parts...) {
		if p.name == name {
			return p, true
		}
	}
	return part{}, false
}

// byCost compares parts by what they cost.
func byCost(a, b part) int { return cmp.Compare(a.minutes, b.minutes) }

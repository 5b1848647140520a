package rings

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// TestManyImagesCostTheirNumber: and not its square.
func TestManyImagesCostTheirNumber(t *testing.T) {
	const many = 1000
	one := versioning.Version{Minor: 1}
	record := records.Record{
		Sequence: 1, Operation: records.OpPublish, Signature: records.Signature{ID: strings.Repeat("0", 32), Time: time.Unix(0, 0).UTC()},
		After: records.Table{}, Images: map[string]records.Image{}, Releases: 1,
	}
	release := versioning.Release{Root: "deploy", Images: map[string]versioning.Image{}}
	for i := range many {
		name := fmt.Sprintf("image-%d", i)
		record.Images[name] = records.Image{Version: one, Digest: digest.FromString(name).String()}
		release.Images[name] = versioning.Image{Version: one}
	}
	place := records.Place{Root: "deploy", Version: one, Digest: digest.FromString("").String(), Record: 1, Release: 1}
	record.After["developers"], record.Images["deploy"] = place, records.Image{Version: one, Digest: place.Digest}
	label, err := records.Format(record)
	if err != nil {
		t.Fatal(err)
	}
	placed := &versioning.Placed{Ring: "developers", Digest: place.Digest, Release: release}
	at := digest.FromBytes(label).String()
	for name, work := range map[string]func(l Log) error{
		"which versions the releases of rings have": func(l Log) error {
			if assigned := forecast([]versioning.Release{release, release}); len(assigned) != many {
				return fmt.Errorf("%d images", len(assigned))
			}
			return nil
		},
		"the digests of images that are not built": func(l Log) error {
			for name := range release.Images {
				if is, _, err := l.Digest(t.Context(), []versioning.Placed{*placed}, name, one); err != nil || is != record.Images[name].Digest {
					return fmt.Errorf("%s is %s: %v", name, is, err)
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			known := &answered{image: &published{Image: Image{Digest: at, Labels: map[string]string{labels.Record: string(label)}}}}
			known.once.Do(func() {})
			l := Log{
				lookup:   &lookup{asked: map[string]*answered{"registry.example.com/acme/shop/records@" + at: known}},
				manifest: &manifest.Manifest{Registry: "registry.example.com", Project: "acme/shop"},
				newest:   records.Sealed{Record: records.Record{Sequence: 2, After: record.After, Digests: map[uint64]string{1: at}}},
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if err := work(l); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 20<<20 {
				t.Errorf("it takes %d MiB", used>>20)
			}
		})
	}
}

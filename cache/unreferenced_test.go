package cache

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestUnreferencedBlobs has blob files that no entry names, as kill -9 between
// the two leaves them, and files that are not blobs at all, among many that are.
func TestUnreferencedBlobs(t *testing.T) {
	const files = 500
	disk := vfs.NewMem()
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: disk, FlushEvery: -1})
	var all []string
	for k := range files {
		all = append(all, fmt.Sprintf("%03d", k))
	}
	page := plan(t, s, all...)
	for k := range page.Len() {
		if err := page.PutBlob(k, blob(t, s, page.Name(k)), 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, page)
	if r := verify(t, s); r.Blobs != files || r.Unreferenced != 0 {
		t.Errorf("report %+v", r)
	}
	const lost = 7
	for range lost {
		if err := blob(t, s, "12345").finish(); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/store/blobs/00/notes.txt", "/store/blobs/00/00000000000000ff"} {
		if err := disk.MkdirAll("/store/blobs/00", 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := disk.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, suspects := range []int{1, 2, 3, maxSuspects} {
		r, err := s.verify(t.Context(), func(p string) { t.Error("verify: " + p) }, suspects)
		if err != nil || r.Blobs != files || r.Unreferenced != lost+2 || r.UnreferencedBytes != (5+sumLen)*lost {
			t.Errorf("%d suspects at once: report %+v, %v", suspects, r, err)
		}
	}
}

// blob is a content of its own that is written and has no entry.
func blob(t *testing.T, s *Store, content string) *BlobWriter {
	t.Helper()
	w, err := s.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	return w
}

// Where entries cannot be read, nothing is said of blobs that they may name.
func TestDamageMakesNoBlobUnreferenced(t *testing.T) {
	s := open(t, Options{Dir: "/store", Origin: testOrigin, FS: vfs.NewMem(), FlushEvery: -1})
	if err := blob(t, s, "x").finish(); err != nil {
		t.Fatal(err)
	}
	v := &verifier{s: s, ctx: t.Context(), maxSuspects: 1, short: true}
	if err := v.unreferenced(); err != nil || v.report.Unreferenced != 0 {
		t.Errorf("report %+v, %v", v.report, err)
	}
}

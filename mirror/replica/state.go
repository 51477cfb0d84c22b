package replica

import (
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/mirror/segments"
)

// identityPrefix begins the Origin of a replica's local store.
const identityPrefix = "segments "

// Identity is the cache.Options.Origin of a replica's local store: a store is of one mirror.
func Identity(m *segments.Mirror) string { return identityPrefix + m.ID + " of " + m.Origin }

func parseIdentity(identity string) (id, origin string, err error) {
	rest, ok := strings.CutPrefix(identity, identityPrefix)
	id, origin, of := strings.Cut(rest, " of ")
	if !ok || !of {
		return "", "", fmt.Errorf("%w: it has the files of %s, and is no replica of a mirror in segments", cache.ErrOrigin, identity)
	}
	return id, origin, nil
}

// The files of ours. What is in them can be had from the object store, so one that does
// not decode is as good as none.
const (
	indexFile   = "INDEX"   // which segments are sealed: see indexRecord
	recencyFile = "RECENCY" // the segments with contents, those read last at the end
)

// load reads one of our files; found is false where it is not there or does not decode.
func load(path string, into any) (found bool, err error) {
	text, err := os.ReadFile(path) //nolint:gosec // a file of ours
	if errors.Is(err, iofs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return json.Unmarshal(text, into) == nil, nil
}

// save puts one of our files in its place, whole or not at all.
func save(path string, what any) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // a file of ours
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// saveRecency writes down in which order segments were read.
func (r *Replica) saveRecency() error {
	var order []uint64
	for _, s := range r.byUse() {
		order = append(order, s.Seq)
	}
	return save(filepath.Join(r.dir, recencyFile), order)
}

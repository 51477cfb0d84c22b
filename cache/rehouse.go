package cache

import (
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// rehouse puts the names of entries that are in no run into new runs.
func (m *mender) rehouse() error {
	if m.numbers.balanced() {
		return nil
	}
	err := m.walk(keyEntry, func(key, value []byte) error {
		e, err := decodeEntry(value)
		if err != nil {
			return err
		}
		if e.Kind == File && e.State == Gone || !m.numbers.odd(uint64(e.Inode)) {
			return nil
		}
		parent, name, _ := splitEntryKey(key)
		return m.house(&e, parent, string(name), slices.Clone(key))
	})
	return errors.Join(err, m.writeGroup())
}

func (m *mender) house(e *Entry, parent Inode, name string, key []byte) error {
	r, err := m.runOf(e.Inode)
	if err != nil {
		return err
	}
	if r == nil {
		ok, err := m.directory(parent)
		if err != nil {
			return err
		}
		if !ok {
			return errors.Join(m.loseNames(), m.drop(key, "%q stands in inode %d, which is not a directory", name, parent))
		}
		if n := len(m.group); n > 0 && (m.group[n-1].inode+1 != e.Inode || m.group[n-1].parent != parent || m.group[n-1].kind != e.Kind || n == MaxPage) {
			if err := m.writeGroup(); err != nil {
				return err
			}
		}
		m.group = append(m.group, found{parent, e.Inode, e.Kind, name})
		return nil
	}
	names, err := r.names()
	if err != nil {
		return err
	}
	k := int(e.Inode - r.first)
	if names[k] == name && r.parent == parent {
		return nil
	}
	if names[k] != "" || r.parent != parent || r.kind != e.Kind {
		return m.drop(key, "%q of directory %d has the number %d, which is another's", name, parent, e.Inode)
	}
	m.r.problem("%q of directory %d, inode %d, was not among its names", name, parent, e.Inode)
	names[k] = name
	return m.setRun(r, names)
}

// writeGroup makes a run of the entries that were gathered.
func (m *mender) writeGroup() error {
	if len(m.group) == 0 {
		return nil
	}
	g := m.group
	m.r.problem("%d names of directory %d, from %q on, were in no run", len(g), g[0].parent, g[0].name)
	err := writeRun(m.batch, g[0].parent, g[0].inode, g[0].kind, len(g), func(k int) (string, bool) { return g[k].name, true })
	m.runs++
	m.isDir.dir = 0
	m.group = m.group[:0]
	return err
}

// setRun writes a run again with other names, or removes it if there are none.
func (m *mender) setRun(r *cachedRun, names []string) error {
	var err error
	if slices.ContainsFunc(names, func(name string) bool { return name != "" }) {
		err = writeRun(m.batch, r.parent, r.first, r.kind, r.n, func(k int) (string, bool) { return names[k], names[k] != "" })
	} else {
		m.runs--
		err = errors.Join(m.batch.Delete(appendRunKey(nil, r.parent, r.first), nil), m.batch.Delete(appendRunIndexKey(nil, r.first), nil))
	}
	if err == nil {
		err = m.apply()
	}
	m.s.runs.remove(r.first)
	m.isDir.dir = 0
	return err
}

// runOf is the run that has a number, nil if none has.
func (m *mender) runOf(ino Inode) (*cachedRun, error) {
	r, err := m.s.runOf(ino)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrCorrupt) && !pebble.IsCorruptionError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if ino >= r.first+Inode(r.n) {
		return nil, nil
	}
	return r, nil
}

// directory reports whether a run names a directory with that number.
func (m *mender) directory(dir Inode) (bool, error) {
	if dir == RootInode {
		return true, nil
	}
	if m.isDir.dir == dir {
		return m.isDir.ok, nil
	}
	// It may be in what is not written yet.
	if err := errors.Join(m.writeGroup(), m.apply()); err != nil {
		return false, err
	}
	r, err := m.runOf(dir)
	if err != nil {
		return false, err
	}
	ok := false
	if r != nil && r.kind == Dir {
		if _, ok, err = r.name(int(dir - r.first)); err != nil {
			return false, err
		}
	}
	m.isDir.dir, m.isDir.ok = dir, ok
	return ok, nil
}

package cache

import (
	"encoding/binary"
	"fmt"
)

// A run is the value of a p key: the names of consecutive inodes of one
// directory, front-coded so that the shared beginnings of a sorted listing cost
// nothing, with a fresh start every runRestart names so that one name is found
// without decoding all before it:
//
//	uvarint  kind of all its entries
//	uvarint  number of names, n
//	n ×      uvarint  length of the suffix + 1; 0: the number has no entry (a hole)
//	         uvarint  length shared with the name before
//	         the suffix
//	⌈n/runRestart⌉ × uint32  offset of each restart, little endian
const runRestart = 16

// maxRun is the most names that a run can have.
const maxRun = 1 << 16

// appendRun appends the run of n names; name returns the k-th, false for a hole.
func appendRun(dst []byte, kind Kind, n int, name func(k int) (string, bool)) []byte {
	at := len(dst)
	dst = binary.AppendUvarint(dst, uint64(kind))
	dst = binary.AppendUvarint(dst, uint64(n))
	var few [64]uint32
	restarts := few[:0]
	prev := ""
	for k := range n {
		if k%runRestart == 0 {
			restarts = append(restarts, uint32(len(dst)-at))
			prev = ""
		}
		s, ok := name(k)
		if !ok {
			dst = append(dst, 0)
			continue
		}
		shared := sharedPrefix(prev, s)
		dst = binary.AppendUvarint(dst, uint64(len(s)-shared)+1)
		dst = binary.AppendUvarint(dst, uint64(shared))
		dst = append(dst, s[shared:]...)
		prev = s
	}
	for _, r := range restarts {
		dst = binary.LittleEndian.AppendUint32(dst, r)
	}
	return dst
}

func sharedPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// run reads the value of a p key.
type run struct {
	kind     Kind
	n        int
	value    []byte // the whole value
	restarts []byte
}

func decodeRun(value []byte) (run, error) {
	d := decoder{rest: value}
	r := run{value: value, kind: Kind(d.uvarint())}
	n := d.uvarint()
	tail := (n + runRestart - 1) / runRestart * 4
	if d.bad || n == 0 || n > maxRun || tail > uint64(len(d.rest)) || r.kind > Dir {
		return run{}, fmt.Errorf("%w: run of %d bytes does not decode", ErrCorrupt, len(value))
	}
	r.n = int(n)
	r.restarts = value[len(value)-int(tail):]
	return r, nil
}

// each calls fn for the names from the k-th on, holes left out, until fn
// returns false. name is valid until fn returns.
func (r *run) each(k int, fn func(k int, name []byte) bool) error {
	if k >= r.n {
		return nil
	}
	body := r.value[:len(r.value)-len(r.restarts)]
	from := k / runRestart
	offset := binary.LittleEndian.Uint32(r.restarts[4*from:])
	if uint64(offset) > uint64(len(body)) {
		return fmt.Errorf("%w: run restart out of bounds", ErrCorrupt)
	}
	d := decoder{rest: body[offset:]}
	var buf [MaxComponent]byte
	name := buf[:0]
	for j := from * runRestart; j < r.n; j++ {
		if j%runRestart == 0 {
			name = name[:0]
		}
		suffix := d.uvarint()
		if suffix == 0 && !d.bad {
			continue
		}
		shared := d.uvarint()
		tail := d.bytes(suffix - 1)
		if d.bad || shared > uint64(len(name)) || shared+suffix-1 > MaxComponent || shared+suffix == 1 {
			return fmt.Errorf("%w: run does not decode at name %d of %d", ErrCorrupt, j, r.n)
		}
		name = append(name[:shared], tail...)
		if j >= k && !fn(j, name) {
			return nil
		}
	}
	return nil
}

// name returns the k-th name, or false for a hole or a k outside the run.
func (r *run) name(k int) (name string, ok bool, err error) {
	if k < 0 {
		return "", false, nil
	}
	err = r.each(k, func(j int, b []byte) bool {
		if j == k {
			name, ok = string(b), true
		}
		return false
	})
	return name, ok, err
}

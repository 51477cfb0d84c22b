//go:build linux

package fs

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/motefs/motefs/cache"
)

// The extended attributes. Those that an inode has not got are ENODATA there.
const (
	// xattrPrefix begins all of them; without a suffix of ours, ENODATA.
	xattrPrefix = "user."
	// xattrState: of a file "here", "arriving" where it is shown before
	// all of it is here, or "listed" where only what the listing says of it is; of a directory "listed" once the origin's
	// listing is complete, "listing" before.
	xattrState = "user.motefs.state"
	// xattrURL: where a file came from, percent-encoded as the origin was
	// asked; of a directory what the URLs of its files begin with.
	xattrURL = "user.motefs.url"
	// xattrETag: a file's validator, as the origin wrote it, quotes included.
	xattrETag = "user.motefs.etag"
	// xattrFetched: when a file's content came, in UTC as RFC 3339 has it.
	xattrFetched = "user.motefs.fetched"
	// xattrStore: of the root, for who mounted and for root alone, the directory of the store.
	xattrStore = "user.motefs.store"
)

const (
	errNoData     = fuse.Status(syscall.ENODATA)
	errNotSupport = fuse.Status(syscall.EOPNOTSUPP)
)

// GetXAttr answers by inode number and, as GetAttr, never fetches. A dest that
// is too short is ERANGE with the length that is needed; go-fuse makes that the
// answer to a program that asks for the length alone.
//
// Namespaces other than user are "not supported", not "not there": ls -l asks
// for security.selinux and system.posix_acl_access, and stops asking a whole
// device at that errno (gnulib, acl_errno_valid). Counted for 20,000 files: 2
// requests come here; ENODATA would make them 40,000, and under the ENOSYS of
// old none came, but ls made 20,000 system calls, because the kernel then says
// ENODATA for ACLs itself (0.07 s of ls -l, now 0.05). ENOSYS would take our own
// attributes away too. TestLsAsksForFewXAttrs.
func (f *fsys) GetXAttr(cancel <-chan struct{}, in *fuse.InHeader, attr string, dest []byte) (uint32, fuse.Status) {
	defer f.end(opGetXAttr, f.begin(opGetXAttr))
	if !strings.HasPrefix(attr, xattrPrefix) {
		return 0, errNotSupport
	}
	switch attr {
	case xattrState, xattrURL, xattrETag, xattrFetched, xattrStore:
	default:
		return 0, errNoData
	}
	ino := cache.Inode(in.NodeId)
	e, err := f.entry(ino)
	value := ""
	switch {
	case err != nil:
	case attr != xattrStore:
		value, err = f.xattr(attr, &e)
	case ino == cache.RootInode && (in.Uid == 0 || int(in.Uid) == os.Geteuid()):
		value = f.storeDir
	}
	switch {
	case err != nil:
		return 0, f.fail(opGetXAttr, ino, attr, err)
	case value == "":
		return 0, errNoData
	case len(dest) < len(value):
		return uint32(len(value)), fuse.ERANGE
	}
	return uint32(copy(dest, value)), fuse.OK
}

// xattr is the value of one of our attributes, "" where e has none.
func (f *fsys) xattr(attr string, e *cache.Entry) (string, error) {
	switch {
	case attr == xattrState:
		return f.stateOf(e), nil
	case attr == xattrURL:
		return f.urlOf(e)
	case e.Kind == cache.Dir:
	case attr == xattrETag:
		return e.ETag, nil
	case attr == xattrFetched && e.Fetched != 0:
		return time.Unix(e.Fetched, 0).UTC().Format(time.RFC3339), nil
	}
	return "", nil
}

func (f *fsys) stateOf(e *cache.Entry) string {
	switch {
	case e.Kind == cache.Dir && f.store.ListingComplete():
		return "listed"
	case e.Kind == cache.Dir:
		return "listing"
	case e.Arriving:
		return "arriving"
	case e.Promised():
		return "listed"
	}
	return "here" // the kernel knows no other files
}

// urlOf is the URL of a file, or what those of a directory's files begin with.
// A directory that is only a part of a long component has none.
func (f *fsys) urlOf(e *cache.Entry) (string, error) {
	if f.filesURL == "" {
		return "", nil
	}
	files := f.filesURL
	if e.Inode == cache.RootInode {
		return files, nil
	}
	name, err := f.store.NameOf(e.Inode)
	switch {
	case errors.Is(err, cache.ErrName):
		return "", nil
	case errors.Is(err, cache.ErrNotFound):
		return "", fmt.Errorf("%w: %w", errStale, err)
	case err != nil:
		return "", err
	case e.Kind == cache.Dir:
		name += "/"
	}
	return string(appendEscaped([]byte(files), name)), nil
}

// appendEscaped percent-encodes an origin's name: all but the unreserved bytes
// of RFC 3986 section 2.3 and the slash, and the dots of a component that is
// "." or "..", which would be resolved on the way. It is what mirror/origin
// asks for (TestXAttrURLFetchesTheFile).
func appendEscaped(dst []byte, name string) []byte {
	const hex = "0123456789ABCDEF"
	for i, part := range strings.Split(name, "/") {
		if i > 0 {
			dst = append(dst, '/')
		}
		dots := part == "." || part == ".."
		for j := range len(part) {
			if c := part[j]; unreserved(c) && !dots {
				dst = append(dst, c)
			} else {
				dst = append(dst, '%', hex[c>>4], hex[c&15])
			}
		}
	}
	return dst
}

func unreserved(c byte) bool {
	return c-'0' < 10 || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("-._~", c) >= 0
}

package replica

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/fs/fusetest/eventually"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs"
	"github.com/motefs/motefs/fs/fusetest/passthrough"
	"github.com/motefs/motefs/mirror/objects/folder"
)

// childVar has the test program be another one: partRead, partMount, or partShow, a filesystem.
const (
	childVar  = "MOTEFS_TEST_REPLICA"
	partRead  = "read"
	partMount = "mount"
	partShow  = "show"
)

func TestMain(m *testing.M) {
	part := os.Getenv(childVar)
	if part == "" {
		eventually.AllEnded(m)
		return
	}
	if err := child(part, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child opens the replica of a folder, and reads all of it again and again, or mounts it.
func child(part string, args []string) error {
	if part == partShow {
		return passthrough.Serve(args[0], args[1])
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	from, err := folder.Open(args[0])
	if err != nil {
		return err
	}
	o := Options{Objects: from, Store: optionsOf(args[1])}
	if part == partRead {
		o.CacheSize = 1 << 20
	} else if len(args) > 3 {
		if o.Patience, err = time.ParseDuration(args[3]); err != nil {
			return err
		}
	}
	r, err := Open(ctx, o)
	if err != nil {
		return err
	}
	if part == partRead {
		err = readAll(ctx, r)
	} else {
		err = serve(ctx, r, args[2])
	}
	return errors.Join(err, r.Close(), from.Close())
}

func readAll(ctx context.Context, r *Replica) error {
	rd := newReader(r, 1)
	for n := 0; ctx.Err() == nil; n++ {
		files := map[string]cache.DirEntry{}
		if err := rd.tree(ctx, cache.RootInode, files); err != nil {
			return err
		}
		for _, d := range files {
			parent, name, err := rd.names.Where(d.Inode)
			if err != nil {
				return err
			}
			e, err := rd.lookup(ctx, parent, name)
			if err == nil {
				_, err = rd.read(ctx, e)
			}
			if err != nil && !errors.Is(err, errStale) && !errors.Is(err, ErrNotFetched) {
				return err
			}
		}
		r.space.now.Add(restTicks + 1)
		if err := r.makeRoom(ctx); err != nil {
			return err
		}
		fmt.Println("all read")
	}
	return nil
}

func serve(ctx context.Context, r *Replica, mountpoint string) error {
	m, err := fs.Open(ctx, fs.Options{Mountpoint: mountpoint, StoreDir: r.Store().Dir(), Store: r.Names(), Contents: r.Contents(), Ready: r.Ready})
	if err != nil {
		return err
	}
	fmt.Println("mounted")
	go func() { // each line is a question
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			_ = json.NewEncoder(os.Stdout).Encode(r.Status())
		}
	}()
	<-ctx.Done()
	return m.Close()
}

// newFolder makes a folder for objects.
func newFolder(dir string) (*folder.Store, error) {
	if err := folder.Make(dir); err != nil {
		return nil, err
	}
	return folder.Open(dir)
}

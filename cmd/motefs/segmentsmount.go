package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/fs"
	"github.com/motefs/motefs/mirror/objects/store"
	"github.com/motefs/motefs/mirror/replica"
	"github.com/motefs/motefs/mirror/replica/unlisted"
)

// operands checks what is to be mounted where: an origin, or a mirror in segments.
func (f *mountFlags) operands(args []string) error {
	if err := f.segments.validate(); err != nil {
		return err
	}
	const how, howSegments = "motefs mount [flags] ORIGIN MOUNTPOINT", "motefs mount --segments URL [flags] MOUNTPOINT"
	switch {
	case f.segments.url == "" && (f.cacheSize != 0 || f.origin != ""):
		return usagef("--cache-size and --origin go with --segments")
	case f.segments.url == "" && len(args) == 0:
		return usagef("ORIGIN and MOUNTPOINT are missing: %s", how)
	case f.segments.url == "" && len(args) == 1:
		return usagef("MOUNTPOINT is missing: %s", how)
	case f.segments.url != "" && len(args) == 0:
		return usagef("MOUNTPOINT is missing: %s", howSegments)
	case f.segments.url != "" && len(args) > 1:
		return usagef("with --segments there is no ORIGIN: %s; in fstab it is none, or the same URL", howSegments)
	}
	return nil
}

// withoutSource leaves out what a line of fstab has as its source where its options say which
// mirror in segments is mounted.
func (a *app) withoutSource(f *mountFlags, args []string) []string {
	if a.helper != nil && len(args) == 2 && f.segments.url != "" && (args[0] == "none" || args[0] == f.segments.url) {
		return args[1:]
	}
	return args
}

// mounts is what is mounted, and where its store is.
func (f *mountFlags) mounts(raw string) (id, dir string, err error) {
	if f.segments.url == "" {
		return f.target(raw)
	}
	id, err = f.segments.identity()
	if err != nil {
		return "", "", err
	}
	dir, err = f.storeDir(id)
	return id, dir, err
}

// openReplica opens a mirror in segments to be mounted.
func openReplica(ctx context.Context, o sessionOptions, f *mountFlags) (_ *session, err error) {
	s := &session{id: o.id, as: "", monitor: o.monitor, everyone: o.everyone, log: o.log}
	trust, err := f.trust()
	if err != nil {
		return nil, err
	}
	// What is here is served while the object store is away.
	if s.objects, err = f.segments.openAs(ctx, trust, store.Options{Later: replica.Kept(o.dir), Log: o.log}); err != nil {
		return nil, err
	}
	there, err := cache.Inspect(o.dir, "")
	if err != nil {
		there = true // Open says what is wrong
	}
	s.made = !there
	ro := replica.Options{
		Objects: s.objects, CacheSize: int64(f.cacheSize), PrefetchAll: o.prefetch, Log: o.log,
		Store: limited(cache.Options{Dir: o.dir, Holder: holder(), Reserve: o.flags.reserved(), Log: o.log}),
	}
	if f.origin != "" {
		ro.CacheSize -= ro.CacheSize / unlistedRoom
		ro.Unlisted = func(ctx context.Context, parent cache.Inode, name string) (cache.Entry, error) {
			return s.unlisted.Fetch(ctx, parent, name)
		}
	}
	if s.replica, err = replica.Open(ctx, ro); err != nil {
		return nil, fmt.Errorf("%s cannot be mounted: %w", o.id, joinClose(f.segments.about(err), s.objects))
	}
	s.store, s.filesURL = s.replica.Store(), s.replica.Origin()
	if err := s.openUnlisted(o, f, ro.Store); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.status = serveStatus(status.Options{Command: o.command, Version: version(), Store: s.store, Prefetch: o.prefetch, Away: awayOf(s.objects)}, o.log)
	s.monitor.attach(s.watched())
	return s, nil
}

// followEvery is how often it is looked whether all has come.
const followEvery = time.Second

// follow waits until the mirror is complete, with all its names here and, where they are wanted,
// its contents. The replica brings them by itself.
func (s *session) follow(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		p := s.store.Progress()
		if s.replica.Names().ListingComplete() && (!s.status.prefetch || p.Complete()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// served is what a mount reads.
func (s *session) served() (fs.Store, fs.Contents) {
	switch {
	case s.unlisted != nil:
		return s.unlisted.Names(s.replica.Names()), s.unlisted.Contents(s.replica.Contents())
	case s.replica != nil:
		return s.replica.Names(), s.replica.Contents()
	}
	return s.store, s.engine
}

// unlistedDir is where, in the local store's folder, files stand that came from the origin.
const unlistedDir = "unlisted"

// openUnlisted has files come from the mirror's origin that no segment has yet, where --origin says so. local
// says how the local store of the mirror was opened. Once all names of a complete mirror are here there
// are none, and what came before is removed: nobody has it open.
func (s *session) openUnlisted(o sessionOptions, f *mountFlags, local cache.Options) error {
	id := ""
	if f.origin != "" {
		var err error
		if id, err = f.originOf(f.origin); err != nil {
			return err
		}
		if of := s.replica.Origin(); id != of {
			return usagef("--origin %s is not what %s is a mirror of: that is %s", id, o.id, of)
		}
	}
	if s.replica.Names().ListingComplete() {
		removeUnlisted(o)
		return nil
	}
	if id == "" {
		return nil
	}
	var err error
	if s.client, err = f.client(id, cache.DefaultInlineLimit, o.monitor.counts(), o.log); err != nil {
		return err
	}
	s.filesURL = f.filesURL(id)
	local.Dir, local.Origin = filepath.Join(o.dir, unlistedDir), id
	local.Descriptors /= unlistedShare
	s.unlisted, err = unlisted.Open(unlisted.Options{
		Store: local, Tree: s.replica.Names(), Bytes: int64(f.cacheSize) / unlistedRoom, Lister: s.client, Fetcher: s.client, MaxFile: int64(f.maxFileSize), Gone: o.events.Gone,
	})
	if err != nil {
		return fmt.Errorf("the store for files of %s: %w", id, err)
	}
	return nil
}

// unlistedShare is the part of the descriptors that the store of openUnlisted may have, unlistedRoom that of
// --cache-size.
const unlistedShare, unlistedRoom = 4, 8

// removeUnlisted removes what openUnlisted has made.
func removeUnlisted(o sessionOptions) {
	dir := filepath.Join(o.dir, unlistedDir)
	if !hasStore(dir) {
		return
	}
	if _, err := cache.Remove(dir); err != nil {
		o.log.Warn().Err(err).Msgf("%s cannot be removed, which nothing needs any more", dir)
	}
}

// nextSegment is until when a name certainly stays what it is, where one that came from the origin
// may be found in a segment at any time; see fs.Options.NextChange.
func (m *mounted) nextSegment() time.Time {
	if m.replica.Names().ListingComplete() {
		return time.Now().AddDate(1, 0, 0)
	}
	return time.Time{}
}

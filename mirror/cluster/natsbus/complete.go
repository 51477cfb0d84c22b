package natsbus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// notes is the stream of the notes of mirrors that are complete, one for each, which NATS
	// forgets after itemAge. It has at most maxNotes, of maxReport bytes each: 16 MiB.
	notes    = "motefs-complete"
	maxNotes = 1024
)

func notesConfig(copies int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: notes, Description: "motefs mirrors that are complete", Subjects: []string{subjects("*").complete()},
		Storage: jetstream.FileStorage, Replicas: copies, MaxAge: itemAge, MaxMsgsPerSubject: 1, MaxMsgs: maxNotes, MaxMsgSize: 2 * maxReport, Discard: jetstream.DiscardOld,
	}
}

// Complete removes from NATS what it has of this mirror, but for claims, and leaves a note with report
// for watchers. This process makes nothing again after it; others may, and remove it as they end.
func (b *Bus) Complete(ctx context.Context, report []byte) error {
	if len(report) > maxReport {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(report), maxReport)
	}
	unlock, err := b.queue.lock(ctx)
	if err != nil {
		return err
	}
	b.queue.over()
	unlock()
	// The note comes first, so that a watcher always sees one of both.
	err = b.try(ctx, "note that the mirror is complete", func(ctx context.Context) error { return b.note(ctx, report) })
	if err != nil {
		return err
	}
	return b.try(ctx, "remove the queue", func(ctx context.Context) error {
		for _, name := range []string{b.queue.names.stream(), "KV_" + b.queue.names.leaseBucket()} {
			if err := b.js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
				return unheard(err)
			}
		}
		return nil
	})
}

// note writes the note, and the stream for it where there is none.
func (b *Bus) note(ctx context.Context, report []byte) error {
	msg := nats.NewMsg(b.queue.names.complete())
	msg.Data = report
	_, err := b.js.PublishMsg(ctx, msg, jetstream.WithExpectStream(notes))
	if !missing(err) {
		return err
	}
	made := b.copies(func(copies int) error {
		_, err := b.js.CreateStream(ctx, notesConfig(copies))
		return err
	})
	if made != nil && !errors.Is(made, jetstream.ErrStreamNameAlreadyInUse) {
		return unheard(made)
	}
	_, err = b.js.PublishMsg(ctx, msg, jetstream.WithExpectStream(notes))
	return unheard(err)
}

// addNotes adds what notes say of mirrors: of one, or of all with an empty id.
func (w *Watcher) addNotes(ctx context.Context, id string, all []Mirror) ([]Mirror, error) {
	stream, err := w.js.Stream(ctx, notes)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return all, nil
	}
	if err != nil {
		return all, fmt.Errorf("notes of complete mirrors: %w", err)
	}
	ids := []string{id}
	if id == "" {
		if ids, err = noted(ctx, stream); err != nil {
			return all, err
		}
	}
	for _, id := range ids {
		msg, err := stream.GetLastMsgForSubject(ctx, subjects(id).complete())
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return all, fmt.Errorf("note of mirror %s: %w", id, err)
		}
		i := slices.IndexFunc(all, func(m Mirror) bool { return m.ID == id })
		if i < 0 {
			i = len(all)
			all = append(all, Mirror{ID: id, Reports: w.inbox.of(id)})
		}
		all[i].Complete = msg.Data
	}
	return all, nil
}

// noted returns the ids of mirrors of which there are notes, maxNotes at most.
func noted(ctx context.Context, stream jetstream.Stream) (ids []string, err error) {
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subjects("*").complete()))
	if err != nil {
		return nil, fmt.Errorf("list notes of complete mirrors: %w", err)
	}
	for subject := range info.State.Subjects {
		if parts := strings.Split(subject, "."); len(parts) == 3 && checkID("mirror", parts[1]) == nil {
			ids = append(ids, parts[1])
		}
	}
	slices.Sort(ids)
	return ids[:min(len(ids), maxNotes)], nil
}

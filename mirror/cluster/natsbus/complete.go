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
// for watchers. Nobody makes it again after that, but for who calls GoOn.
func (b *Bus) Complete(ctx context.Context, report []byte) error {
	if err := checkReport(report); err != nil {
		return err
	}
	unlock, err := b.queue.lock(ctx)
	if err != nil {
		return err
	}
	b.queue.ends(over)
	unlock()
	// The note comes first, so that a watcher always sees one of both.
	err = b.try(ctx, "note that the mirror is complete", func(ctx context.Context) error {
		return unheard(note(ctx, b.js, b.copies, b.queue.names, report))
	})
	if err != nil {
		return err
	}
	return b.try(ctx, "remove the queue", func(ctx context.Context) error { return unheard(remove(ctx, b.js, b.queue.names)) })
}

// Complete is that of a bus, for a mirror that was complete before anybody joined: what was killed as it
// ended may have left something. It waits for NATS as long as ctx lasts.
func Complete(ctx context.Context, o Options, report []byte) error {
	o = o.ensureDefaults()
	if err := errors.Join(o.validate(), checkReport(report)); err != nil {
		return err
	}
	conn, js, err := dial(ctx, o)
	if err != nil {
		return err
	}
	defer conn.Close()
	of := subjects(o.Mirror)
	found, err := noteOf(ctx, js, of)
	if err == nil && found == nil {
		err = note(ctx, js, func(make func(int) error) error { return copies(conn, make) }, of, report)
	}
	if err != nil {
		return err
	}
	return remove(ctx, js, of)
}

// remove removes a queue and its lease. The queue goes last: by it what is left is found.
func remove(ctx context.Context, js jetstream.JetStream, of subjects) error {
	for _, name := range []string{"KV_" + of.leaseBucket(), of.stream()} {
		if err := js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return nil
}

// Over reports whether another has noted that the mirror is complete. Then what is asked of the bus
// waits: whoever asks finds in the object store that there is no more to do, or calls GoOn.
func (b *Bus) Over() bool { return b.queue.is(noted) }

// GoOn removes the note that the mirror is complete, as its object store says otherwise.
func (b *Bus) GoOn(ctx context.Context) error {
	return b.try(ctx, "remove the note that the mirror is complete", func(ctx context.Context) error {
		stream, err := b.js.Stream(ctx, notes)
		if err == nil {
			err = stream.Purge(ctx, jetstream.WithPurgeSubject(b.queue.names.complete()))
		}
		if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return unheard(err)
		}
		unlock, err := b.queue.lock(ctx)
		if err != nil {
			return err
		}
		defer unlock()
		if b.queue.is(noted) {
			b.queue.ends(unknown)
			b.forgot()
		}
		return nil
	})
}

// lookForNote looks whether another has noted that the mirror is complete, and removes what this process
// may have made since. The caller has the lock.
func (b *Bus) lookForNote(ctx context.Context) error {
	if b.queue.is(noted) {
		return errNoted
	}
	found, err := noteOf(ctx, b.js, b.queue.names)
	if err != nil || found == nil {
		return err
	}
	if err := remove(ctx, b.js, b.queue.names); err != nil {
		return err
	}
	b.queue.ends(noted)
	return errNoted
}

func checkReport(report []byte) error {
	if len(report) > maxReport {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(report), maxReport)
	}
	return nil
}

// noteOf returns what the note of a mirror says; nil: there is none.
func noteOf(ctx context.Context, js jetstream.JetStream, of subjects) ([]byte, error) {
	stream, err := js.Stream(ctx, notes)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("notes of complete mirrors: %w", err)
	}
	return noteIn(ctx, stream, of)
}

func noteIn(ctx context.Context, stream jetstream.Stream, of subjects) ([]byte, error) {
	msg, err := stream.GetLastMsgForSubject(ctx, of.complete())
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("note %s: %w", of.complete(), err)
	}
	return append([]byte{}, msg.Data...), nil // which is not nil
}

// note writes the note, and the stream for it where there is none.
func note(ctx context.Context, js jetstream.JetStream, copies func(func(int) error) error, of subjects, report []byte) error {
	msg := nats.NewMsg(of.complete())
	msg.Data = report
	_, err := js.PublishMsg(ctx, msg, jetstream.WithExpectStream(notes))
	if !missing(err) {
		return err
	}
	made := copies(func(copies int) error {
		_, err := js.CreateStream(ctx, notesConfig(copies))
		return err
	})
	if made != nil && !errors.Is(made, jetstream.ErrStreamNameAlreadyInUse) {
		return made
	}
	_, err = js.PublishMsg(ctx, msg, jetstream.WithExpectStream(notes))
	return err
}

// addNotes adds what notes say of mirrors: of one, or of all with an empty id. Of one that has a queue
// still somebody was killed as it ended; what is left of it is removed.
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
		if ids, err = allNoted(ctx, stream); err != nil {
			return all, err
		}
	}
	for _, id := range ids {
		found, err := noteIn(ctx, stream, subjects(id))
		if err != nil {
			return all, err
		}
		if found == nil {
			continue
		}
		i := slices.IndexFunc(all, func(m Mirror) bool { return m.ID == id })
		if i < 0 {
			i = len(all)
			all = append(all, Mirror{ID: id, Reports: w.inbox.of(id)})
		} else if err := remove(ctx, w.js, subjects(id)); err != nil { // it may have no right to
			w.o.Log.Debug().Err(err).Msg("what NATS has of a mirror that is complete stays there")
		}
		all[i].Complete = found
	}
	return all, nil
}

// allNoted returns the ids of mirrors of which there are notes, maxNotes at most.
func allNoted(ctx context.Context, stream jetstream.Stream) (ids []string, err error) {
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

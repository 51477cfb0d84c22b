package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/s3"
)

const (
	// singleBytes is the length above which an object is put in parts, and maxSingle what S3 takes
	// in one.
	singleBytes, maxSingle = 128 << 20, 5 << 30
	crc32c                 = "X-Amz-Checksum-Crc32c"
)

// Put implements objects.Store.
func (s *Store) Put(ctx context.Context, name string, b objects.Body) error {
	if err := s.check(ctx, "put", name); err != nil {
		return err
	}
	if b.Size > s.singleBytes {
		return about("put", name, s.putParts(ctx, name, b))
	}
	return about("put", name, s.put(ctx, name, b, http.Header{}))
}

// Create implements objects.Store.
func (s *Store) Create(ctx context.Context, name string, b objects.Body) error {
	if err := s.check(ctx, "create", name); err != nil {
		return err
	}
	if b.Size > maxSingle {
		return fmt.Errorf("create %q: %w: %d bytes are more than S3 takes at once", name, mirror.ErrTooLarge, b.Size)
	}
	err := s.put(ctx, name, b, http.Header{"If-None-Match": {"*"}})
	if refusal, ok := errors.AsType[*s3.Refusal](err); ok {
		switch {
		case refusal.Status() == http.StatusPreconditionFailed:
			err = objects.ErrExists
		case refusal.Code == "NotImplemented":
			// It has the status of what may pass.
			err = fmt.Errorf("%w: it does not know If-None-Match: %s", objects.ErrUnfit, refusal.Error())
		}
	}
	return about("create", name, err)
}

// put writes an object by one request.
func (s *Store) put(ctx context.Context, name string, b objects.Body, header http.Header) error {
	body, err := newBody(ctx, b, 0, b.Size)
	if err != nil {
		return err
	}
	header.Set(crc32c, body.crc32c)
	response, err := s.send(ctx, &request{method: http.MethodPut, name: name, header: header, body: body})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return sameSum(response, body)
}

// sameSum checks what the server says that it has.
func sameSum(response *http.Response, body *body) error {
	if theirs := response.Header.Get(crc32c); theirs != "" && theirs != body.crc32c {
		return fmt.Errorf("%w: the server has CRC-32C %.20q of what was sent with %q", mirror.ErrChecksum, theirs, body.crc32c)
	}
	return nil
}

// Delete implements objects.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := s.check(ctx, "delete", name); err != nil {
		return err
	}
	response, err := s.send(ctx, &request{method: http.MethodDelete, name: name})
	if refusal, ok := errors.AsType[*s3.Refusal](err); ok && refusal.Code == noKey {
		return nil
	}
	if err != nil {
		return about("delete", name, err)
	}
	return response.Body.Close()
}

// about says what an error is about, and has a request that was in another's way be tried
// again.
func about(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if refusal, ok := errors.AsType[*s3.Refusal](err); ok && refusal.Status() == http.StatusConflict {
		switch refusal.Code {
		case "ConditionalRequestConflict", "OperationAborted":
			// Its status is that of what does not pass.
			err = fmt.Errorf("%w: %s", objects.ErrBusy, refusal.Error())
		}
	}
	return &objects.OpError{Op: op, Name: name, Err: err}
}

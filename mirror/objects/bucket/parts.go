package bucket

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/s3"
	"golang.org/x/sync/errgroup"
)

const (
	// partBytes is the length of a part at least, maxParts how many S3 has at most.
	partBytes, maxParts = 64 << 20, 10_000
	// partsAtOnce are sent, and each is tried partTries times.
	partsAtOnce, partTries = 4, 6
	// abortPatience is how long giving up may take.
	abortPatience = 10 * time.Second
	// maxAnswer bounds an answer that is read as a whole, in bytes.
	maxAnswer = 1 << 20
)

// putParts writes an object in parts. It is visible once they are put together.
func (s *Store) putParts(ctx context.Context, name string, b objects.Body) error {
	raw, err := s.answer(ctx, &request{method: http.MethodPost, name: name, query: url.Values{"uploads": {""}}})
	if err != nil {
		return fmt.Errorf("begin an upload: %w", err)
	}
	id, err := s3.Element(raw, "UploadId")
	if err != nil || id == "" {
		return fmt.Errorf("begin an upload: %w: no UploadId in the answer (%w)", objects.ErrUnfit, err)
	}
	if err := s.sendParts(ctx, name, id, b); err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
		defer cancel()
		if _, left := s.answer(clean, &request{method: http.MethodDelete, name: name, query: url.Values{"uploadId": {id}}}); left != nil {
			s.o.Log.Warn().Err(left).Str("object", name).Msg("an upload that was given up is left in the bucket")
		}
		return err
	}
	return nil
}

// sendParts sends the parts and has them be put together.
func (s *Store) sendParts(ctx context.Context, name, id string, b objects.Body) error {
	size := max(s.partBytes, (b.Size+maxParts-1)/maxParts)
	etags := make([]string, (b.Size+size-1)/size)
	g, parts := errgroup.WithContext(ctx)
	g.SetLimit(partsAtOnce)
	for i := range etags {
		g.Go(func() error {
			off := int64(i) * size
			etag, err := s.part(parts, name, id, i+1, b, off, min(size, b.Size-off))
			etags[i] = etag
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var list strings.Builder
	list.WriteString("<CompleteMultipartUpload>")
	for i, etag := range etags {
		fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>", i+1)
		if err := xml.EscapeText(&list, []byte(etag)); err != nil {
			return err
		}
		list.WriteString("</ETag></Part>")
	}
	list.WriteString("</CompleteMultipartUpload>")
	body, err := newBody(ctx, objects.BytesBody([]byte(list.String())), 0, int64(list.Len()))
	if err != nil {
		return err
	}
	raw, err := s.answer(ctx, &request{method: http.MethodPost, name: name, query: url.Values{"uploadId": {id}}, body: body})
	if err != nil {
		return fmt.Errorf("put %d parts together: %w", len(etags), err)
	}
	// What fails after its first byte has status 200.
	if _, err := s3.Element(raw, "ETag"); err != nil {
		return fmt.Errorf("put %d parts together: %w", len(etags), err)
	}
	return nil
}

// part sends one part, again where that may help: the parts before it are there.
func (s *Store) part(ctx context.Context, name, id string, number int, b objects.Body, off, n int64) (etag string, err error) {
	body, err := newBody(ctx, b, off, n)
	if err != nil {
		return "", err
	}
	query := url.Values{"uploadId": {id}, "partNumber": {strconv.Itoa(number)}}
	etag, err = backoff.Retry(ctx, func() (string, error) {
		response, err := s.send(ctx, &request{method: http.MethodPut, name: name, query: query, body: body})
		switch {
		case err == nil:
			return response.Header.Get("ETag"), response.Body.Close()
		case mirror.Temporary(err):
			return "", err
		}
		return "", backoff.Permanent(err)
	}, backoff.WithMaxTries(partTries))
	if err == nil && etag == "" {
		err = fmt.Errorf("%w: the answer has no ETag", objects.ErrUnfit)
	}
	if err != nil {
		return "", fmt.Errorf("part %d: %w", number, err)
	}
	return etag, nil
}

// answer sends a request and returns all of the response.
func (s *Store) answer(ctx context.Context, r *request) ([]byte, error) {
	response, err := s.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return readAll(ctx, response, maxAnswer)
}

// readAll reads a response of at most most bytes.
func readAll(ctx context.Context, response *http.Response, most int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", objects.ErrAway, err)
	case int64(len(raw)) > most:
		return nil, errors.Join(objects.ErrUnfit, fmt.Errorf("%w: an answer of over %d bytes", mirror.ErrTooLarge, most))
	}
	return raw, nil
}

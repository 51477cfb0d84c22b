package versitygw

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/motefs/motefs/cmd/internal/child"
)

// Whoever asks has these keys, and signs for this region.
const (
	AccessKey = "AKVERSITY"
	SecretKey = "the secret of versitygw"
	Region    = "us-east-1"
)

// program names a versitygw elsewhere than in .bin.
const program = "MOTEFS_TEST_VERSITYGW"

// ErrMissing is returned by Start where there is no versitygw.
var ErrMissing = errors.New("there is no versitygw: make test builds it into .bin, or set " + program + " to one")

// Start runs versitygw and waits until it answers: each directory in dir is a bucket,
// and the files in it are its objects. To put objects, dir must be on a filesystem with
// extended attributes. The caller stops it.
func Start(ctx context.Context, dir string) (url string, stop func(), err error) {
	path, err := find()
	if err != nil {
		return "", nil, err
	}
	port, err := child.FreePort()
	if err != nil {
		return "", nil, err
	}
	// Without keep-alive it ends each connection after an answer.
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	p, err := child.Start(dir, path, "--port", addr, "--access", AccessKey, "--secret", SecretKey, "--region", Region, "--keep-alive", "--quiet", "posix", dir)
	if err != nil {
		return "", nil, err
	}
	url = "http://" + addr
	if err := p.Await(ctx, func() bool { return child.Answers(ctx, url) }); err != nil {
		p.Stop()
		return "", nil, fmt.Errorf("start versitygw: %w", err)
	}
	return url, p.Stop, nil
}

// find returns the program of the variable, or the latest one in .bin of the module
// that the working directory is in.
func find() (string, error) {
	if path := os.Getenv(program); path != "" {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			continue
		}
		found, err := filepath.Glob(filepath.Join(dir, ".bin", "versitygw-v*"))
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", ErrMissing
}

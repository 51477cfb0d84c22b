package natstest

import (
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

// part is the variable by which this program is told to be a server: the path of its
// configuration.
const part = "MOTEFS_TEST_NATS_SERVER"

// Serve returns at once, but in a process that a Cluster has started: that is a server until
// it is killed. TestMain calls it first.
func Serve() {
	path := os.Getenv(part)
	if path == "" {
		return
	}
	panic(serve(path)) // it ends with its process
}

func serve(path string) error {
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		return err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil {
		return err
	}
	s.WaitForShutdown()
	return nil
}

// Package natstest runs real NATS servers with JetStream for tests: processes that can be killed,
// on loopback, with a network between them and to them that can be cut.
//
//	func TestMain(m *testing.M) {
//		natstest.Serve() // this program, started again, is a server
//		os.Exit(m.Run())
//	}
//
//	c := natstest.New(t, 3)
//	bus, err := natsbus.Open(ctx, natsbus.Options{Servers: c.URL(), …})
//	c.Kill(c.Leader("motefs_ID"))
//
// Clients that use [Cluster.URL] and servers among each other go through links of a
// [Cluster]; what is cut is silent, as a network is, and refuses nothing.
package natstest

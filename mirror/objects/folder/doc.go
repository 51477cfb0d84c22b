// Package folder keeps objects in a folder of a filesystem, which many machines may share.
//
// # Layout
//
// An object is a file at its name, in folders that are made as they are needed and
// removed once they are empty. What is being written stands in .unfinished, under a random
// name; what was left there by a crash is removed before a process writes for the first time, once
// it is staleAfter old by the filesystem's own clock. Other files, of which the names are no objects',
// are left alone.
//
// # Rules
//
// A file is written whole and synced before it gets its name. Put gives it by rename(2),
// Create by link(2), which fails where the name is taken; where there are no links, by a rename
// that replaces nothing. A filesystem that has neither has no Create: to open a file with
// O_EXCL would be atomic too, but show it before it is whole. A name lasts once the folders
// on its way are synced, before Put and Create return; also where Create says that an
// object exists, as its caller goes on from that.
//
// An answer of NFS may be lost, and the second try then says that the name is taken, or that the
// file is gone: where the file of that name is this one, all is well.
//
// Nothing leads out of the folder: names are checked, and looked up with os.Root.
//
// Modes are by the process's umask: who else may read the mirror is the user's to say. A
// call to a filesystem that hangs, an NFS server that is away, cannot be cancelled: who waits for it is
// told so when its context ends, or after hangsAfter, and the call goes on by itself, at most maxCalls of them. After
// slowAfter it is said that a call waits (objects.Waiter). A write whose context has ended publishes nothing that it
// has not begun to, and a Delete removes nothing. A listing is made of short calls, however long it is in all.
package folder

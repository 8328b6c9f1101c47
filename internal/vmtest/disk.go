package vmtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// disk is a disk whose every write and flush is written down, so that one run gives
// any number of disks as a pulled plug would leave them. It speaks the NBD protocol
// (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md), of which it
// knows what QEMU says.
type disk struct {
	t      *testing.T
	socket string
	first  []byte // as it was before

	mu  sync.Mutex // guards what follows
	now []byte     // as those see it who read
	log []write
}

// write is a write, or a flush when it has no bytes.
type write struct {
	at    int64
	bytes []byte
}

// serveDisk serves a disk that begins as this file is.
func serveDisk(t *testing.T, image string) *disk {
	t.Helper()
	first, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	d := &disk{t: t, socket: filepath.Join(t.TempDir(), "nbd"), first: first, now: append([]byte(nil), first...)}
	l, err := net.Listen("unix", d.socket)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Add(1)
	go func() {
		defer serving.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if err := d.serve(c); err != nil && !errors.Is(err, io.EOF) {
				t.Logf("disk: %v", err) // QEMU was killed in the middle of a request
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return d
}

// address is what QEMU calls it.
func (d *disk) address() string { return "nbd:unix:" + d.socket }

// written returns how much is in the log.
func (d *disk) written() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.log)
}

// What NBD's negotiation and requests begin with, and their words.
const (
	magicServer  = 0x4e42444d41474943 // NBDMAGIC
	magicOption  = 0x49484156454f5054 // IHAVEOPT
	magicReply   = 0x3e889045565a9
	magicRequest = 0x25609513
	magicAnswer  = 0x67446698

	optionExport, optionAbort, optionInfo, optionGo = 1, 2, 6, 7
	replyAck, replyInfo, replyUnsupported           = 1, 3, 1<<31 + 1

	commandRead, commandWrite, commandEnd, commandFlush = 0, 1, 2, 3
	commandFUA                                          = 1 << 16 // a flag beside the command

	// The export has flags, can flush, and can write through.
	transmission = 1<<0 | 1<<2 | 1<<3
)

func (d *disk) serve(c io.ReadWriter) error {
	if err := d.negotiate(c); err != nil {
		return err
	}
	for {
		var q struct {
			Magic, Command uint32
			Handle, Offset uint64
			Length         uint32
		}
		if err := binary.Read(c, binary.BigEndian, &q); err != nil {
			return err
		}
		if q.Magic != magicRequest {
			return fmt.Errorf("request begins with %x", q.Magic)
		}
		var out []byte
		switch q.Command & 0xffff {
		case commandRead:
			out = d.read(int64(q.Offset), int(q.Length))
		case commandWrite:
			in := make([]byte, q.Length)
			if _, err := io.ReadFull(c, in); err != nil {
				return err
			}
			d.write(int64(q.Offset), in, q.Command&commandFUA != 0)
		case commandFlush:
			d.write(0, nil, true)
		case commandEnd:
			return nil
		default:
			return fmt.Errorf("command %d is not known", q.Command)
		}
		if err := send(c, uint32(magicAnswer), uint32(0), q.Handle, out); err != nil {
			return err
		}
	}
}

// negotiate is the fixed newstyle handshake.
func (d *disk) negotiate(c io.ReadWriter) error {
	if err := send(c, uint64(magicServer), uint64(magicOption), uint16(1)); err != nil {
		return err
	}
	var flags uint32
	if err := binary.Read(c, binary.BigEndian, &flags); err != nil {
		return err
	}
	size := uint64(len(d.first))
	for {
		var o struct {
			Magic          uint64
			Option, Length uint32
		}
		if err := binary.Read(c, binary.BigEndian, &o); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, c, int64(o.Length)); err != nil {
			return err
		}
		reply := func(kind uint32, length int) []any {
			return []any{uint64(magicReply), o.Option, kind, uint32(length)}
		}
		var err error
		switch o.Option {
		case optionExport: // QEMU never says that it wants no zeroes behind it
			return send(c, size, uint16(transmission), make([]byte, 124))
		case optionAbort:
			return errors.Join(send(c, reply(replyAck, 0)...), io.EOF)
		case optionInfo, optionGo:
			err = send(c, append(reply(replyInfo, 12), uint16(0), size, uint16(transmission))...)
			err = errors.Join(err, send(c, reply(replyAck, 0)...))
		default:
			err = send(c, reply(replyUnsupported, 0)...)
		}
		if err != nil || o.Option == optionGo {
			return err
		}
	}
}

// send writes values in the order of the network.
func send(w io.Writer, values ...any) error {
	var b []byte
	for _, v := range values {
		var err error
		if b, err = binary.Append(b, binary.BigEndian, v); err != nil {
			return err
		}
	}
	_, err := w.Write(b)
	return err
}

func (d *disk) read(at int64, n int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]byte(nil), d.now[at:at+int64(n)]...)
}

func (d *disk) write(at int64, b []byte, flush bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.now[at:], b)
	if len(b) > 0 {
		d.log = append(d.log, write{at, b})
	}
	if flush {
		d.log = append(d.log, write{})
	}
}

// cut writes the disk as it may be when the plug is pulled after so many entries of
// the log: what was flushed is there; of each later write nothing, all, or some of
// its sectors.
func (d *disk) cut(image string, after int, r *rand.Rand) error {
	d.mu.Lock()
	log := d.log[:after]
	d.mu.Unlock()
	flushed := 0
	for i, w := range log {
		if w.bytes == nil {
			flushed = i
		}
	}
	out := append([]byte(nil), d.first...)
	for i, w := range log {
		switch fate := r.IntN(3); {
		case i <= flushed || fate == 0:
			copy(out[w.at:], w.bytes)
		case fate == 1: // torn
			for from := 0; from < len(w.bytes); from += sector {
				if r.IntN(2) == 0 {
					to := min(from+sector, len(w.bytes))
					copy(out[w.at+int64(from):], w.bytes[from:to])
				}
			}
		}
	}
	return os.WriteFile(image, out, 0o600)
}

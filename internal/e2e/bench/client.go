package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// client is a connection of a kiosk that costs as little as one can: MQTT 3.1.1
// by hand, no goroutine of its own. One goroutine uses it.
type client struct {
	conn  net.Conn
	in    *bufio.Reader
	topic string // of its journal
	buf   []byte
}

// patience is how long a broker or hub may be silent before the bench gives up.
const patience = time.Minute

// The packets of section 2.2.1 that are used, with their flags.
const (
	packetConnect   = 0x10
	packetPublish   = 0x30
	packetPublishQ1 = 0x32
	packetSubscribe = 0x82
)

// dial connects and subscribes to the answers.
func dial(address string, id feedback.KioskID) (*client, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, in: bufio.NewReader(conn), topic: wire.Topic(id, wire.TopicJournal)}
	if err := c.greet(id); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%s at %s: %w", id, address, err)
	}
	return c, nil
}

func (c *client) greet(id feedback.KioskID) error {
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	hello := appendText(nil, "MQTT")
	hello = append(hello, 4, 0xC2, 0, 0) // version 3.1.1; name, password, clean session; no pings
	hello = appendText(appendText(appendText(hello, string(id)), string(id)), hubKey)
	filter := appendText([]byte{0, 1}, wire.Topic(id, wire.TopicAck))
	if _, err := c.conn.Write(append(packet(packetConnect, hello), packet(packetSubscribe, append(filter, 0))...)); err != nil {
		return err
	}
	for _, want := range []byte{0x20, 0x90} { // CONNACK, SUBACK
		head, body, err := c.read()
		if err != nil {
			return err
		}
		if refused := body[len(body)-1]; head != want || refused != 0 {
			return fmt.Errorf("the broker answers packet %#x, code %d", head, refused)
		}
	}
	return nil
}

func (c *client) close() { _ = c.conn.Close() }

// frame returns the packet that publishes payload with QoS 1, as kiosks do.
func (c *client) frame(payload []byte) []byte {
	return packet(packetPublishQ1, append(append(appendText(nil, c.topic), 0, 1), payload...))
}

// send writes a frame and waits for the answer to it.
func (c *client) send(frame []byte, within time.Duration) (wire.Ack, error) {
	if err := c.conn.SetDeadline(time.Now().Add(within)); err != nil {
		return wire.Ack{}, err
	}
	if _, err := c.conn.Write(frame); err != nil {
		return wire.Ack{}, err
	}
	for {
		head, body, err := c.read()
		if err != nil {
			return wire.Ack{}, err
		}
		if head != packetPublish {
			continue // a PUBACK, which means nothing
		}
		if n := 2 + int(binary.BigEndian.Uint16(body)); n <= len(body) {
			return wire.Decode[wire.Ack](body[n:])
		}
	}
}

// read returns the next packet; its body is valid until the next call.
func (c *client) read() (head byte, body []byte, err error) {
	if head, err = c.in.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(c.in) // section 2.2.3 is the same
	if err != nil {
		return 0, nil, err
	}
	if n < 2 || n > wire.MaxBytes {
		return 0, nil, fmt.Errorf("a packet %#x of %d bytes", head, n)
	}
	if cap(c.buf) < int(n) {
		c.buf = make([]byte, n)
	}
	body = c.buf[:n]
	_, err = io.ReadFull(c.in, body)
	return head, body, err
}

func packet(head byte, body []byte) []byte {
	b := binary.AppendUvarint([]byte{head}, uint64(len(body)))
	return append(b, body...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

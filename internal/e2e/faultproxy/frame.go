package faultproxy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// maxPacket bounds what is held of one packet.
const maxPacket = 16 << 20

// errFrame means that the bytes are not MQTT, or a packet above maxPacket.
var errFrame = errors.New("faultproxy: not a packet of MQTT 3.1.1 below 16 MiB")

// frame is one packet, header and all.
type frame struct {
	bytes []byte
	body  int // where the variable header begins
}

// readFrame reads one packet.
func readFrame(r *bufio.Reader) (frame, error) {
	for size := 2; size <= 5; size++ { // section 2.2.3: the length has at most four bytes
		head, err := r.Peek(size)
		if err != nil {
			return frame{}, err
		}
		if head[size-1] >= 0x80 {
			continue
		}
		rest := 0
		for i := size - 1; i > 0; i-- {
			rest = rest<<7 | int(head[i]&0x7f)
		}
		if rest > maxPacket {
			return frame{}, errFrame
		}
		f := frame{bytes: make([]byte, size+rest), body: size}
		_, err = io.ReadFull(r, f.bytes)
		return f, err
	}
	return frame{}, errFrame
}

func (f frame) packet() Packet { return Packet(f.bytes[0] >> 4) }

// message gives topic and packet identifier of a PUBLISH; the identifier is 0
// with QoS 0.
func (f frame) message() (topic string, id uint16) {
	body := f.bytes[f.body:]
	if len(body) < 2 {
		return "", 0
	}
	end := 2 + int(binary.BigEndian.Uint16(body))
	if end > len(body) {
		return "", 0
	}
	if qos := f.bytes[0] >> 1 & 3; qos > 0 && end+2 <= len(body) {
		id = binary.BigEndian.Uint16(body[end:])
	}
	return string(body[2:end]), id
}

// acknowledged gives the packet identifier of a PUBACK.
func (f frame) acknowledged() uint16 {
	if body := f.bytes[f.body:]; len(body) >= 2 {
		return binary.BigEndian.Uint16(body)
	}
	return 0
}

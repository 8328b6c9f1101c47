package wire

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// batchFields are the names of the fields of a Batch.
var batchFields = []string{"v", "re", "epoch", "first", "before", "oldest", "next", "records", "texts"}

// repeatedField returns the field of a Batch that an object names twice, or "".
// JSON leaves open which of the two counts (RFC 8259, section 4): two readers of
// one payload could store different records. payload is valid JSON; names are
// compared as json.Unmarshal does, without regard to case.
func repeatedField(payload []byte) string {
	var seen [16]bool
	depth := 0
	name := false // the next text is the name of a field
	for i := 0; i < len(payload); i++ {
		switch payload[i] {
		case '{', '[':
			depth++
			name = depth == 1
		case '}', ']':
			depth--
		case ',':
			name = depth == 1
		case '"':
			text := quoted(payload[i:])
			if name {
				if n := fieldNumber(text); n >= 0 {
					if seen[n] {
						return batchFields[n]
					}
					seen[n] = true
				}
			}
			name = false
			i += len(text) - 1
		}
	}
	return ""
}

// quoted returns the text with which b begins, quotes included.
func quoted(b []byte) []byte {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[:i+1]
		}
	}
	return b
}

// fieldNumber returns the place of a quoted name among batchFields, or -1.
func fieldNumber(text []byte) int {
	s := string(text[1 : len(text)-1])
	if bytes.IndexByte(text, '\\') >= 0 && json.Unmarshal(text, &s) != nil {
		return -1
	}
	return slices.IndexFunc(batchFields, func(f string) bool { return strings.EqualFold(f, s) })
}

// Package transcript keeps what a program says, for whoever started it.
//
// It stands beside the line: internal/postgres and internal/mosquittotest start
// servers with it. It keeps everything in memory and must not know whose words they
// are.
package transcript

import (
	"bytes"
	"sync"
)

// limit bounds a log, in bytes; of more, the beginning is kept.
const limit = 1 << 20

// Buffer is written by a process and read by another at the same time. The zero
// value is empty and ready.
type Buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write takes p in, or drops it where there is too much already; it never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() < limit {
		b.buf.Write(p)
	}
	return len(p), nil
}

// String returns what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

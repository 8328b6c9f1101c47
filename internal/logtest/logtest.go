// Package logtest keeps what a program says, for the test that started it.
//
// It stands beside the line: internal/postgrestest and internal/mosquittotest start
// servers with it. It keeps everything in memory and nothing beyond its test; it
// must not know whose words they are.
package logtest

import (
	"bytes"
	"sync"
)

// limit bounds a log, in bytes; a test that fails after more has its beginning.
const limit = 1 << 20

// Buffer is written by a process and read by a test at the same time. The zero
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

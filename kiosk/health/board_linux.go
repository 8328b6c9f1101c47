package health

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sourire/internal/wire"
)

// readBoard adds what the machine below root ("/") tells of itself, of the disk
// that holds the folder data. What a board does not tell stays 0.
func readBoard(h *wire.Health, root, data string) {
	at := func(name string) string { return filepath.Join(root, name) }
	if n, ok := number(at("sys/class/thermal/thermal_zone0/temp"), 10); ok { // thousandths of a degree
		h.Celsius = (n + 500) / 1000
	}
	if n, ok := number(at("sys/devices/platform/soc/soc:firmware/get_throttled"), 16); ok {
		h.Throttled = n
	}
	if text, err := os.ReadFile(at("proc/uptime")); err == nil { // "123.45 67.89"
		whole, _, _ := strings.Cut(string(text), ".")
		h.UpSeconds, _ = strconv.ParseInt(whole, 10, 64)
	}
	h.MemoryFree = memoryFree(at("proc/meminfo"))
	h.LinkDBm = linkDBm(at("proc/net/wireless"))
	if major, minor, ok := device(data); ok {
		// The seventh figure counts sectors of 512 bytes (block/stat.rst).
		if text, err := os.ReadFile(at(fmt.Sprintf("sys/dev/block/%d:%d/stat", major, minor))); err == nil {
			if f := strings.Fields(string(text)); len(f) > 6 {
				n, _ := strconv.ParseInt(f[6], 10, 64)
				h.DiskWritten = 512 * n
			}
		}
	}
}

// number reads a file that holds one number.
func number(name string, base int) (int64, bool) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(strings.TrimSpace(string(text)), "0x"), base, 64)
	return n, err == nil
}

// memoryFree reads what programs may still have, "MemAvailable: 123 kB".
func memoryFree(name string) int64 {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if f := strings.Fields(string(line)); len(f) > 1 && f[0] == "MemAvailable:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// linkDBm reads the level of the first wireless interface, "wlan0: 0000 60. -50. …".
func linkDBm(name string) int64 {
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close() // only read
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) < 4 || !strings.HasSuffix(fields[0], ":") {
			continue
		}
		if n, err := strconv.ParseFloat(fields[3], 64); err == nil && n < 0 && n > -200 {
			return int64(n)
		}
	}
	return 0
}

// device returns the numbers of the disk that holds a folder.
func device(folder string) (major, minor uint32, ok bool) {
	var s syscall.Stat_t
	if folder == "" || syscall.Stat(folder, &s) != nil {
		return 0, 0, false
	}
	return unix.Major(s.Dev), unix.Minor(s.Dev), true
}

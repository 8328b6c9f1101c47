package health

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sourire/internal/wire"
)

func TestReadBoard(t *testing.T) {
	data, root := t.TempDir(), t.TempDir()
	major, minor, ok := device(data)
	if !ok {
		t.Fatal("the disk of a folder is not known")
	}
	for name, text := range map[string]string{
		"sys/class/thermal/thermal_zone0/temp":                "54321\n",
		"sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
		"proc/uptime":       "86400.51 1234.00\n",
		"proc/meminfo":      "MemTotal:  948308 kB\nMemFree: 1 kB\nMemAvailable:  512000 kB\n",
		"proc/net/wireless": "Inter-| sta-|   Quality        |\n face | tus | link level noise |\nwlan0: 0000   60.  -61.  -256        0      0\n",
		fmt.Sprintf("sys/dev/block/%d:%d/stat", major, minor): "  1 2 3 4 5 6 143360 8 9 10 11\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got wire.Health
	readBoard(&got, root, data)
	want := wire.Health{UpSeconds: 86_400, Celsius: 54, Throttled: 0x50005, MemoryFree: 512_000 << 10, DiskWritten: 143_360 * 512, LinkDBm: -61}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReadBoard_tellsNothing(t *testing.T) {
	var got wire.Health
	readBoard(&got, t.TempDir(), t.TempDir())
	if fmt.Sprint(got) != fmt.Sprint(wire.Health{}) {
		t.Errorf("got %+v, want nothing", got)
	}
}

package vmtest

import (
	"testing"
)

func TestPins(t *testing.T) {
	m := Start(t, Options{Files: map[string]string{"/bin/sourire-kiosk": build(t, "./kiosk")}})
	out, code := m.Run("/bin/sourire-kiosk", "pins")
	t.Log(code, out)
}

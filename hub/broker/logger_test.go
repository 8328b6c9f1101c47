package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// What the server says of its cache of messages that nobody wants is no warning;
// what it says of the streams that are read is.
func TestLogger_rolled(t *testing.T) {
	var out bytes.Buffer
	l := &logger{to: slog.New(slog.NewTextHandler(&out, nil))}
	warn := func(stream string) string {
		out.Reset()
		l.Warnf("Filestore [%s] %s", stream, "Stream state encountered internal inconsistency on write")
		return out.String()
	}
	if got := warn("$MQTT_msgs"); got != "" {
		t.Errorf("got %q of the messages, want nothing", got)
	}
	if got := warn("$MQTT_rmsgs"); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "$MQTT_rmsgs") {
		t.Errorf("got %q of the retained messages, want a warning", got)
	}
}

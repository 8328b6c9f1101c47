package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"

	"sourire/internal/durable"
)

// PlanFile is the name of the file that keeps the hub's last good plan.
const PlanFile = "plan.json"

// Plans knows the plan in force. Its methods may be used by several goroutines.
type Plans struct {
	settings Settings
	log      *slog.Logger

	mu      sync.Mutex // held while the file is written
	current Plan
}

// OpenPlans finds the plan in force: the hub's last good one, if the data
// folder, which is open, keeps one that can still be run, else the local one.
func OpenPlans(s Settings, log *slog.Logger) (*Plans, error) {
	local, err := s.Local()
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	p := &Plans{settings: s, log: log, current: local}
	kept, err := p.load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		log.Warn("the hub's last plan is ignored, and the settings are in force until it sends another", "file", s.Path(PlanFile), "err", err)
	default:
		p.current = kept
	}
	return p, nil
}

func (p *Plans) load() (Plan, error) {
	bytes, err := readPlan(p.settings.Path(PlanFile))
	if err != nil {
		return Plan{}, err
	}
	return p.settings.Read(bytes)
}

// Current returns the plan in force.
func (p *Plans) Current() Plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

// Take puts the hub's plan into force and reports whether it is another than
// before. On an error, which is for the log, the plan in force stays: the bytes
// cannot be run, or the disk did not take them. The hub sends a plan again until
// the kiosk reports it.
func (p *Plans) Take(bytes []byte) (plan Plan, changed bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sent, err := p.settings.Read(bytes)
	if err != nil {
		return p.current, false, fmt.Errorf("settings: %w", err)
	}
	if p.current.FromHub && sent.ID == p.current.ID {
		return p.current, false, nil
	}
	if err := durable.WriteFile(p.settings.Path(PlanFile), sent.Bytes, 0o600); err != nil {
		return p.current, false, fmt.Errorf("settings: keep the hub's plan: %w", err)
	}
	changed = sent.ID != p.current.ID
	p.current = sent
	return sent, changed, nil
}

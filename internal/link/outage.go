package link

// maxSaid bounds what an Outage remembers, and so what is logged of one.
const maxSaid = 20

// Outage remembers what was said of a link that is down, so that each reason is
// told once and not at each attempt for a month. The zero value is a link that is
// up. It belongs to one goroutine.
type Outage struct{ said map[string]bool }

// News reports whether err tells something new of this outage, and remembers it.
func (o *Outage) News(err error) bool {
	if o.said == nil {
		o.said = make(map[string]bool)
	}
	if o.said[err.Error()] || len(o.said) >= maxSaid {
		return false
	}
	o.said[err.Error()] = true
	return true
}

// Over ends the outage and reports whether there was one.
func (o *Outage) Over() bool {
	was := o.said != nil
	o.said = nil
	return was
}

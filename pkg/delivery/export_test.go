package delivery

// HaveProcessors has d take it that no goroutine waits for one: a busy machine
// is no matter of most tests.
func (d *Dispatcher) HaveProcessors() { d.yield.long = func() float64 { return 0 } }

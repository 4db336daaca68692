package main

import "sync"

// step is what is measured at the same time: one figure, or with -quick the idle
// connections of all contenders, which do not disturb each other.
type step []*figure

// stepsOf returns the steps of a round, in the order of the figures.
func stepsOf(figures []*figure, quick bool) []step {
	var steps []step
	for i, f := range figures {
		if quick && f.scenario.idle && i > 0 && figures[i-1].scenario.name == f.scenario.name {
			steps[len(steps)-1] = append(steps[len(steps)-1], f)
			continue
		}
		steps = append(steps, step{f})
	}
	return steps
}

func (s step) idle() bool { return s[0].scenario.idle }

// done reports whether the step has nothing to do in this round: a void figure stays
// void, and memory does not vary by round.
func (s step) done(round int) bool {
	return s[0].err != nil || s.idle() && round > 0
}

// each calls do for all figures at the same time, and waits for them.
func (s step) each(do func(*figure)) {
	var wg sync.WaitGroup
	for _, f := range s {
		wg.Go(func() { do(f) })
	}
	wg.Wait()
}

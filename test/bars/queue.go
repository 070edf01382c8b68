package main

// The harness stands outside: it knows these names as an operator does, who
// looks with the nats command. A test compares them with the topology.
const (
	streamGenerations = "HOGCAST_GENERATIONS"
	streamHeld        = "HOGCAST_HELD"
	streamHeldHosts   = "HOGCAST_HELD_HOSTS"
	streamDead        = "HOGCAST_DEAD"
	consumerWorkers   = "workers"
)

func generationSubject(tenant string) string { return "hogcast.generations." + tenant }

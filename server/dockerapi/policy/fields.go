package policy

// configFields lists what is honoured of container.Config. What is not in the
// list is refused where it is set.
func configFields() map[string]verdict {
	yes := verdict{honoured: true}
	return map[string]verdict{
		"Hostname":   yes,
		"Domainname": yes,
		"Volumes":    yes,
		"User":       yes,
		"Tty":        yes,
		"Env":        yes,
		"Cmd":        yes,
		"Image":      yes,
		"WorkingDir": yes,
		"Entrypoint": yes,
		"Labels":     yes,
		// Streams: attach asks for each again, start alone for none.
		"AttachStdin":     yes,
		"AttachStdout":    yes,
		"AttachStderr":    yes,
		"OpenStdin":       yes,
		"StdinOnce":       yes,
		"StopSignal":      yes,
		"StopTimeout":     yes,
		"NetworkDisabled": yes, // as network mode none
		// What an image's documentation says of itself, and does nothing.
		"ExposedPorts": yes,
		"OnBuild":      yes,
		"Shell":        yes,
		"Healthcheck":  yes, // its times and its kind are judged where it is read
	}
}

// hostFields is the same for container.HostConfig.
func hostFields() map[string]verdict {
	yes := verdict{honoured: true}
	plain := func(values ...any) verdict { return verdict{defaults: values} }
	return map[string]verdict{
		"AutoRemove":  yes,
		"ConsoleSize": yes,
		// The client writes that file itself.
		"ContainerIDFile": yes,
		// What their values may be, the translation into the engine's words
		// says, and the host policy.
		"LogConfig": yes, "RestartPolicy": yes, "Binds": yes, "Mounts": yes, "Tmpfs": yes, "Init": yes,
		"CapAdd": yes, "CapDrop": yes, "Privileged": yes, "SecurityOpt": yes, "GroupAdd": yes, "ReadonlyRootfs": yes,
		"Sysctls": yes, "Devices": yes, "MaskedPaths": plain("[]"), "ReadonlyPaths": plain("[]"),
		"StorageOpt": yes, "ShmSize": yes, "OomScoreAdj": yes,
		"CPUShares": yes, "Memory": yes, "NanoCPUs": yes, "CPUPeriod": yes, "CPUQuota": yes, "CpusetCpus": yes,
		"CpusetMems": yes, "MemoryReservation": yes, "MemorySwap": yes, "MemorySwappiness": yes, "PidsLimit": yes, "Ulimits": yes,
		// Ignored, with a warning.
		"OomKillDisable": yes,
		"VolumeDriver":   plain("local"),
		"IpcMode":        plain("private"),
		"CgroupnsMode":   plain("private"),
		"Isolation":      plain("default"),
		"Runtime":        yes, // the engine knows which there are
	}
}

package instance

import "github.com/coreos/go-systemd/v22/daemon"

// tell notifies the service manager that started this process of its state, if there is
// one that wants to know: in a unit of Type=notify, "systemctl start" returns when the
// process listens. See sd_notify(3).
func (in *Instance) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		in.logger.Warn("tell the service manager", "state", state, "err", err)
	}
}

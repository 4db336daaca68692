# fourseven in front of the tasks of the Consul service "web":
#
#   nomad job run fourseven.nomad.hcl
#
# Consul answers DNS on port 8600 of its agent, with an SRV record for each task
# that passes its checks: host, port and weight all come from there. On the agent's
# host this shows what fourseven will see:
#
#   dig @127.0.0.1 -p 8600 SRV web.service.consul
#
# Not run: needs Nomad and Consul; TestDeployExamples checks the job.
job "fourseven" {
  type = "service"

  group "fourseven" {
    count = 2

    constraint {
      distinct_hosts = true
    }

    network {
      mode = "host"
      port "l4" {
        static = 9000
      }
      port "l7" {
        static = 8000
      }
      port "admin" {
        static = 9900
      }
    }

    # Both listeners are services of Consul: fourseven-l4 (TCP) and fourseven-l7 (HTTP). An
    # instance leaves them while it drains, and not because its backends are down: otherwise
    # Consul would drop all instances at once.
    service {
      name = "fourseven-l4"
      port = "l4"
      check {
        type     = "http"
        port     = "admin"
        path     = "/readyz?ignore=backends"
        interval = "2s"
        timeout  = "1s"
      }
    }

    service {
      name = "fourseven-l7"
      port = "l7"
      check {
        type     = "http"
        port     = "admin"
        path     = "/readyz?ignore=backends"
        interval = "2s"
        timeout  = "1s"
      }
    }

    task "fourseven" {
      driver = "docker"

      config {
        image           = "fourseven:latest"
        network_mode    = "host"
        readonly_rootfs = true
        cap_drop        = ["all"]
      }

      # Above LB_SHUTDOWN_DELAY + LB_DRAIN_TIMEOUT, and below the client's
      # max_kill_timeout, whose default of 30s has to be raised for longer drains.
      kill_timeout = "30s"

      env {
        LB_BACKENDS       = "srv://web.service.consul"
        LB_DNS_SERVER     = "127.0.0.1:8600"
        LB_DNS_INTERVAL   = "5s"
        LB_BALANCE        = "source_hash"
        LB_L4_LISTEN      = ":9000"
        LB_L7_LISTEN      = ":8000"
        LB_ADMIN_LISTEN   = ":9900"
        LB_MAX_CONNS      = "6000" # fits the memory below: 64 MiB, and 32 KiB for each
        LB_SHUTDOWN_DELAY = "5s"
        LB_DRAIN_TIMEOUT  = "20s"
      }

      resources {
        cpu    = 200
        memory = 256
      }
    }
  }
}

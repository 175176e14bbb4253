"""Valid files that the tests of this folder change in one place."""

DATABASE_NODE = """\
manager:
  private_ip: 10.77.0.11
  public_ip: 10.77.0.11
  hostname: db-1
services_to_install:
  - database_service
postgresql_server:
  postgres_password: Xo3gieW8ooNg4Iey
  cert_path: FOLDER/node.crt
  key_path: FOLDER/node.key
  ca_path: FOLDER/ca.crt
  enable_remote_connections: true
  allowed_clients: [10.77.0.0/24]
  config:
    work_mem: 16MB
  cluster:
    synchronous_mode: on
    nodes:
      db-1:
        ip: 10.77.0.11
      db-2:
        ip: 10.77.0.12
      db-3:
        ip: 10.77.0.13
    etcd:
      cluster_token: Gie0aiYahVooz1no
      root_password: iquoh3Wi8iengeiX
      patroni_password: eiy3OoTh8ohGh0co
    patroni:
      rest_password: ohxahF4oopieV3ai
    postgres:
      replicator_password: dah7iu8Oobae2Aij
"""

QUEUE_NODE = """\
manager:
  private_ip: 10.77.0.14
  public_ip: 10.77.0.14
  hostname: queue-1
services_to_install: [queue_service]
rabbitmq:
  username: cloudify
  password: Xo3gieW8ooNg4Iey
  cluster_members:
    queue-1:
      networks: {default: 10.77.0.14}
    queue-2:
      networks: {default: 10.77.0.15}
    queue-3:
      networks: {default: 10.77.0.16}
  cert_path: FOLDER/node.crt
  key_path: FOLDER/node.key
  ca_path: FOLDER/ca.crt
  nodename: queue-1
  erlang_cookie: Gie0aiYahVooz1no
  fd_limit: 102400
"""

MANAGER_NODE = """\
manager:
  private_ip: 10.77.0.17
  public_ip: manager.example.com
  hostname: manager-1
  security:
    admin_password: Xo3gieW8ooNg4Iey
services_to_install: [manager_service]
postgresql_client:
  host: azurepg.postgres.database.azure.com
  ca_path: FOLDER/ca.crt
  server_username: admin@azurepg
  server_password: iquoh3Wi8iengeiX
  cloudify_username: cloudify@azurepg
  cloudify_password: eiy3OoTh8ohGh0co
  ssl_client_verification: false
rabbitmq:
  password: dah7iu8Oobae2Aij
  ca_path: FOLDER/ca.crt
  cluster_members:
    queue-1:
      networks: {default: 10.77.0.14}
ssl_inputs:
  internal_cert_path: FOLDER/node.crt
  internal_key_path: FOLDER/node.key
  ca_cert_path: FOLDER/ca.crt
restservice:
  port: 8100
"""

BALANCER_NODE = """\
manager: {private_ip: 10.77.0.20, public_ip: 10.77.0.20, hostname: lb-1}
services_to_install: [loadbalancer_service]
loadbalancer:
  managers:
    manager-1: {address: 10.77.0.17}
    manager-2: {address: 10.77.0.18}
  cert_path: FOLDER/node.crt
  key_path: FOLDER/node.key
  ca_path: FOLDER/ca.crt
  virtual_ip: 10.77.0.100
  vrrp_password: ohxahF4o
  peers:
    lb-2: {address: 10.77.0.21}
"""

INVENTORY = """\
cluster:
  name: test
ssh:
  user: root
nodes:
  - {name: db-1, address: 10.77.0.11, roles: [database]}
  - {name: db-2, address: 10.77.0.12, roles: [database]}
  - {name: db-3, address: 10.77.0.13, roles: [database]}
  - {name: queue-1, address: 10.77.0.14, roles: [queue]}
  - {name: manager-1, address: 10.77.0.17, roles: [manager]}
  - {name: manager-2, address: 10.77.0.18, roles: [manager]}
  - {name: lb-1, address: 10.77.0.20, roles: [loadbalancer]}
  - {name: lb-2, address: 10.77.0.21, roles: [loadbalancer]}
load_balancer:
  virtual_ip: 10.77.0.100
waive: [single-queue]
settings:
  postgresql_server:
    config:
      work_mem: 16MB
  rabbitmq:
    fd_limit: 65536
"""

ONE_NODE = """\
cluster:
  name: one
nodes:
  - {name: manager-1, address: 10.77.0.11, roles: [database, queue, manager]}
waive: [single-node]
"""

THREE_ZONES = """\
cluster:
  name: zones
nodes:
  - {name: db-1, address: 10.77.0.11, roles: [database], zone: a}
  - {name: db-2, address: 10.77.0.12, roles: [database], zone: b}
  - {name: db-3, address: 10.77.0.13, roles: [database], zone: c}
  - {name: queue-1, address: 10.77.0.14, roles: [queue], zone: a}
  - {name: queue-2, address: 10.77.0.15, roles: [queue], zone: b}
  - {name: queue-3, address: 10.77.0.16, roles: [queue], zone: c}
  - {name: manager-1, address: 10.77.0.17, roles: [manager], zone: a}
  - {name: manager-2, address: 10.77.0.18, roles: [manager], zone: b}
  - {name: lb-1, address: 10.77.0.20, roles: [loadbalancer], zone: a}
  - {name: lb-2, address: 10.77.0.21, roles: [loadbalancer], zone: b}
load_balancer:
  virtual_ip: 10.77.0.100
"""

SAMPLES = {
    "database node": DATABASE_NODE,
    "queue node": QUEUE_NODE,
    "manager node": MANAGER_NODE,
    "balancer node": BALANCER_NODE,
    "inventory": INVENTORY,
    "one node": ONE_NODE,
    "three zones": THREE_ZONES,
}

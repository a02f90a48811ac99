import { installDrivers } from '../../scripts/install-drivers.ts'

/** Installs the drivers that only tests need. */
export default function setup(): void {
  installDrivers()
}

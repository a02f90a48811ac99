import { Controller, Get, Inject, Module, ServiceUnavailableException } from '@nestjs/common'
import type { HandlerHealth } from 'alipayhk-order-sync'
import { OrderSync } from './order-sync.ts'
import { OrdersService } from './orders.service.ts'

/** For the load balancer: 503 while the store does not work. */
@Controller('health')
class HealthController {
  constructor(@Inject(OrderSync) private readonly orderSync: OrderSync) {}

  @Get()
  async health(): Promise<HandlerHealth> {
    const health = await this.orderSync.handler.health()
    if (!health.ok) throw new ServiceUnavailableException(health)
    return health
  }
}

@Module({
  controllers: [HealthController],
  providers: [
    OrdersService,
    { provide: OrderSync, inject: [OrdersService], useFactory: (orders: OrdersService) => new OrderSync(orders) },
  ],
  exports: [OrderSync],
})
export class AppModule {}

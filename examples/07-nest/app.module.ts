import { Controller, Get, Module } from '@nestjs/common'
import { OrderSync } from './order-sync.ts'
import { OrdersService } from './orders.service.ts'

@Controller('health')
class HealthController {
  @Get()
  health(): string {
    return 'ok'
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

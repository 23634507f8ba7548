from django.urls import path

from hosting import knock

urlpatterns = [path("inside/wake/i<int:pk>/", knock.wake, name="knock")]
